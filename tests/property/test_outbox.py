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
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deferred_signals.outbox.models import OutboxMessage
from tests.support.blocks import Blocks
from tests.support.connected import Connected
from tests.support.outbox import Durable, number_of


class Table(Blocks[int]):
    """Commits to a real database, and keeps a list of lists beside it."""

    def __init__(self) -> None:
        super().__init__()
        #: The numbers of each transaction that was committed.
        self.expected: list[list[int]] = []

    @initialize()
    def connect(self) -> None:
        self.defer = Connected()
        self.durable = Durable(self.defer, name="tests.of_the_machine")

    def commit(self, entries: list[int]) -> None:
        self.expected.append(entries)

    @rule()
    def send(self) -> None:
        self.number += 1
        self.durable.send(self.number)
        self.happen(self.number)

    @rule()
    def hook(self) -> None:
        transaction.on_commit(lambda: None)

    @precondition(lambda self: self.blocks and not self.doomed)
    @rule()
    def send_in_a_savepoint_that_is_rolled_back_by_hand(self) -> None:
        savepoint: Any = connection.savepoint()
        self.send()
        connection.savepoint_rollback(savepoint)

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
            self.end_all()
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
