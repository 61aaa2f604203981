"""Any sequence of blocks, savepoints, rollbacks and durable sends, held against a model of the table.

The model is Django's own rule: a row is there when the outermost block has committed, if no block around
its send was rolled back. Hooks of other code stand between the sends, and savepoints that were made by
hand; Django keeps the hooks of these, whatever becomes of the savepoint.
"""

from typing import Any

import pytest
from django.db import connection, connections, transaction
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deferred_signals.outbox.models import OutboxMessage
from tests.support.connected import Connected
from tests.support.outbox import Durable, number_of
from tests.support.rollbacks import Stop


class Table(RuleBasedStateMachine):
    """Commits to a real database, and keeps a list of lists beside it."""

    def __init__(self) -> None:
        super().__init__()
        #: The numbers of each transaction that was committed.
        self.expected: list[list[int]] = []
        #: For each open block: the block, whether it has a savepoint, and what waits in it.
        self.blocks: list[tuple[Any, bool, list[int]]] = []
        self.doomed = False
        self.number = 0

    @initialize()
    def connect(self) -> None:
        self.defer = Connected()
        self.durable = Durable(self.defer, name="tests.of_the_machine")

    @rule()
    def send(self) -> None:
        self.number += 1
        self.durable.send(self.number)
        if self.blocks:
            self.blocks[-1][2].append(self.number)
        else:
            self.expected.append([self.number])

    @rule()
    def hook(self) -> None:
        transaction.on_commit(lambda: None)

    @precondition(lambda self: self.blocks and not self.doomed)
    @rule()
    def send_in_a_savepoint_that_is_rolled_back_by_hand(self) -> None:
        savepoint: Any = connection.savepoint()
        self.send()
        connection.savepoint_rollback(savepoint)

    @precondition(lambda self: len(self.blocks) < 5 and not self.doomed)
    @rule()
    def begin(self) -> None:
        self.enter(savepoint=True)

    @precondition(lambda self: len(self.blocks) < 5 and not self.doomed)
    @rule()
    def begin_without_a_savepoint(self) -> None:
        self.enter(savepoint=False)

    def enter(self, *, savepoint: bool) -> None:
        block = transaction.atomic(savepoint=savepoint)
        block.__enter__()
        self.blocks.append((block, savepoint or len(self.blocks) == 0, []))

    @precondition(lambda self: self.blocks)
    @rule()
    def end_well(self) -> None:
        block, has_savepoint, waiting = self.blocks.pop()
        block.__exit__(None, None, None)
        if not (self.doomed and has_savepoint):
            self.keep(waiting)
        self.doomed = self.doomed and not has_savepoint

    @precondition(lambda self: self.blocks)
    @rule()
    def roll_back(self) -> None:
        block, has_savepoint, waiting = self.blocks.pop()
        block.__exit__(Stop, Stop(), None)
        # Without a savepoint of its own the failure is the enclosing block's.
        self.doomed = not has_savepoint
        if self.doomed:
            self.keep(waiting)

    def keep(self, waiting: list[int]) -> None:
        if self.blocks:
            self.blocks[-1][2].extend(waiting)
        elif waiting:
            self.expected.append(waiting)

    @invariant()
    def table_has_what_was_committed(self) -> None:
        if self.blocks:
            return
        rows = OutboxMessage.objects.order_by("created_at", "position", "id")
        found = [(number_of(row), row.position) for row in rows]
        assert found == [
            (number, position) for sent in self.expected for position, number in enumerate(sent)
        ]

    def teardown(self) -> None:
        try:
            while self.blocks:
                self.roll_back()
            self.table_has_what_was_committed()
            assert connection.run_on_commit == []
        finally:
            self.defer.end()
            OutboxMessage.objects.all().delete()
            vars(connections["default"]).pop("commit", None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
def test_table_holds_what_was_committed_in_the_order_of_its_sends() -> None:
    brief = settings(max_examples=60, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(Table, settings=brief)
