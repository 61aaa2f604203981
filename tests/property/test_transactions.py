"""Any sequence of blocks, savepoints, rollbacks and sends, held against a model of what must arrive.

The model is Django's own rule: what is registered inside a block is kept when the block ends well,
dropped when it rolls back, and happens when the outermost block is committed, in the order of
registration. A foreign `on_commit` hook takes part, so that the order across it is held too.
"""

from typing import Any

import pytest
from django.db import connection, transaction
from django.dispatch import Signal
from django.test import override_settings
from hypothesis import settings
from hypothesis.stateful import (
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from deferred_signals import events
from tests.support.blocks import Blocks
from tests.support.connected import Connected

sent = Signal()

#: A hook of other code, told from a message of the same number.
Entry = tuple[str, int]


class Transactions(Blocks[Entry]):
    """Runs against a real database, and a list of lists beside it."""

    eager = False

    def __init__(self) -> None:
        super().__init__()
        self.happened: list[Entry] = []
        self.expected: list[Entry] = []

    @initialize()
    def connect(self) -> None:
        self.defer = Connected()
        self.defer(sent, name="tests.of_the_machine")(self.receive)
        events.message_published.connect(self.published)

    def receive(self, sender: object, number: int, **kwargs: object) -> None:
        self.happened.append(("message", number))

    def published(self, message: Any, **kwargs: object) -> None:
        self.happened.append(("message", message.kwargs["number"]))

    def commit(self, entries: list[Entry]) -> None:
        """Note in the model what is committed together."""
        self.expected.extend(entries)

    @rule()
    def send(self) -> None:
        self.number += 1
        sent.send(None, number=self.number)
        self.happen(("message", self.number))

    @rule()
    def hook(self) -> None:
        self.number += 1
        entry = ("hook", self.number)
        transaction.on_commit(lambda: self.happened.append(entry))
        self.happen(entry)

    @rule()
    def send_in_a_hook(self) -> None:
        self.number += 1
        number = self.number
        transaction.on_commit(lambda: sent.send(None, number=number) and None)
        self.happen(("message", number))

    @invariant()
    def what_happened_is_what_was_expected(self) -> None:
        assert self.happened == self.expected

    def teardown(self) -> None:
        try:
            self.end_all()
            assert self.happened == self.expected
            assert connection.run_on_commit == []
            assert connection.execute_wrappers == []
        finally:
            self.defer.end()
            events.message_published.disconnect(self.published)
            connection.run_on_commit.clear()


BRIEF = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.mark.django_db(transaction=True)
def test_what_is_published_is_what_was_committed_in_its_order() -> None:
    run_state_machine_as_test(Transactions, settings=BRIEF)


@pytest.mark.django_db(transaction=True)
@override_settings(DEFERRED_SIGNALS={"EAGER": True})
def test_what_runs_in_eager_mode_is_what_was_committed_in_its_order() -> None:
    run_state_machine_as_test(Transactions, settings=BRIEF)


class InATestCase(Transactions):
    """The test's own transaction is open all the time, and commits never: no hooks of others run."""

    hook = None  # type: ignore[assignment]
    send_in_a_hook = None  # type: ignore[assignment]

    def can_roll_back(self) -> bool:
        """Without a savepoint the failure would be the test's own block's, and doom the test."""
        return any(has_savepoint for _, has_savepoint, _ in self.blocks)

    def enter(self, *, savepoint: bool) -> None:
        block = transaction.atomic(savepoint=savepoint)
        block.__enter__()
        self.blocks.append((block, savepoint, []))


@pytest.mark.django_db
@override_settings(DEFERRED_SIGNALS={"EAGER": True})
def test_what_runs_in_a_testcase_is_what_its_blocks_let_through_in_its_order() -> None:
    run_state_machine_as_test(InATestCase, settings=BRIEF)
