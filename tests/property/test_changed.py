"""Any sequence of assignments, saves, rollbacks and reads, held against what the database says.

One instance is followed, and nobody else writes its row. So what a save changes is what the row
holds after it, where that differs from what the row held before it.
"""

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.signals import post_save
from django.test import override_settings
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deferred_signals import UNKNOWN, changed
from deferred_signals.receivers.changes.kept import as_told
from deferred_signals.receivers.changes.saves import latest
from tests.app.models import Order
from tests.support.connected import Connected

FIELDS = ("status", "total")
TOTALS = [1, "1", Decimal("1.00"), 2, "2.0"]


class RollBack(Exception):
    """Rolls a block back."""


class Rows(RuleBasedStateMachine):
    """Saves one instance, and asks the database before and after."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[Any] = []
        self.told: list[dict[str, Any]] = []
        #: Fields of which nothing need be known.
        self.unclear: set[str] = set()

    @initialize()
    def begin(self) -> None:
        self.defer = Connected()
        self.defer(post_save, sender=Order, when=changed(*FIELDS))(self.receive)
        post_save.connect(self.listen, sender=Order)
        self.order = Order()

    def receive(self, sender: object, **kwargs: object) -> None: ...

    def listen(self, instance: Order, **kwargs: object) -> None:
        changes = latest(instance, None)
        self.told.append(
            {
                name: (as_told(changes[name][0]), as_told(changes[name][1]))
                for name in FIELDS
                if name in changes
            }
        )

    def row(self) -> dict[str, Any] | None:
        """Ask the database."""
        rows: list[dict[str, Any]] = list(Order.objects.filter(pk=self.order.pk).values(*FIELDS))
        return rows[0] if rows else None

    @rule(status=st.sampled_from(["new", "paid", "sent"]))
    def set_status(self, status: str) -> None:
        self.order.status = status

    @rule(total=st.sampled_from(TOTALS))
    def set_total(self, total: Any) -> None:
        self.order.total = total

    @precondition(lambda self: self.row() is not None)
    @rule()
    def set_expression(self) -> None:
        self.order.total = F("total") + 1
        self.unclear.add("total")

    @rule()
    def save(self) -> None:
        if self.row() is None and hasattr(self.order.total, "resolve_expression"):
            self.order.total = 0
        self.check_save(FIELDS)

    @precondition(lambda self: self.row() is not None)
    @rule(name=st.sampled_from(FIELDS))
    def save_one_field(self, name: str) -> None:
        self.check_save((name,), update_fields=[name])

    def check_save(self, written: tuple[str, ...], **options: Any) -> None:
        written = tuple(name for name in written if name in self.order.__dict__)
        before = self.row()
        self.order.save(**options)
        after = self.row()
        assert after is not None
        told = self.told.pop()
        assert not self.told
        assert set(told) <= set(written)
        for name in written:
            if before is None:
                assert told[name] == (None, after[name])
            elif name in told:
                old, new = told[name]
                assert old in {before[name], UNKNOWN}
                assert new in {after[name], UNKNOWN}
                assert old != new or old is UNKNOWN
                assert name in self.unclear or UNKNOWN not in told[name]
            else:
                assert before[name] == after[name]
            held = self.order.__dict__.get(name)
            if held is not None and not hasattr(held, "resolve_expression") and not self.blocks:
                self.unclear.discard(name)  # what is written is known

    @precondition(lambda self: self.row() is not None)
    @rule()
    def refresh(self) -> None:
        self.order.refresh_from_db()

    @precondition(lambda self: self.row() is not None)
    @rule(name=st.sampled_from(FIELDS))
    def refresh_one_field(self, name: str) -> None:
        self.order.refresh_from_db(fields=[name])

    @precondition(lambda self: not self.blocks and self.row() is not None)
    @rule(names=st.sets(st.sampled_from(FIELDS)))
    def load(self, names: set[str]) -> None:
        self.order = Order.objects.defer(*names).get(pk=self.order.pk)
        self.unclear = set(names)

    @precondition(lambda self: self.row() is not None)
    @rule(name=st.sampled_from(FIELDS), status=st.sampled_from(["new", "paid"]))
    def write_past_the_instance(self, name: str, status: str) -> None:
        """Write the row in another way, and read it: a rollback takes what was read along."""
        if name == "status":
            Order.objects.filter(pk=self.order.pk).update(status=status)
        else:
            Order.objects.filter(pk=self.order.pk).update(total=3)
        self.order.refresh_from_db(fields=[name])
        if self.blocks:
            self.unclear.add(name)

    @precondition(lambda self: "total" in self.order.__dict__)
    @rule(how=st.sampled_from(["copy", "deepcopy", "pickle"]))
    def copy(self, how: str) -> None:
        if how == "copy":
            self.order = copy.copy(self.order)
            return
        if how == "deepcopy":
            self.order = copy.deepcopy(self.order)
        else:
            self.order = pickle.loads(pickle.dumps(self.order))  # noqa: S301 - of our own
        if self.blocks:
            self.unclear |= set(FIELDS)  # what a rollback would take back is left out

    @rule()
    def copy_as_a_new_row(self) -> None:
        if hasattr(self.order.__dict__.get("total"), "resolve_expression"):
            self.order.total = 0
        for name in FIELDS:
            getattr(self.order, name)  # it cannot be read of a row that is none yet
        self.order.pk = None

    @precondition(lambda self: len(self.blocks) < 3)
    @rule()
    def enter(self) -> None:
        block = transaction.atomic()
        block.__enter__()
        self.blocks.append(block)

    @precondition(lambda self: self.blocks)
    @rule()
    def end_well(self) -> None:
        self.blocks.pop().__exit__(None, None, None)

    @precondition(lambda self: self.blocks)
    @rule()
    def roll_back(self) -> None:
        self.blocks.pop().__exit__(RollBack, RollBack(), None)

    def teardown(self) -> None:
        while self.blocks:
            self.end_well()
        post_save.disconnect(self.listen, sender=Order)
        if hasattr(self, "defer"):
            self.defer.end()
        Order.objects.all().delete()
        assert connection.run_on_commit == []
        assert connection.execute_wrappers == []


BRIEF = settings(max_examples=100, stateful_step_count=30, deadline=None)


@pytest.mark.django_db(transaction=True)
@override_settings(DEFERRED_SIGNALS={"EAGER": True})
def test_changes_are_what_the_database_says() -> None:
    run_state_machine_as_test(Rows, settings=BRIEF)


@pytest.mark.django_db
@override_settings(DEFERRED_SIGNALS={"EAGER": True})
def test_changes_in_a_testcase_are_what_the_database_says() -> None:
    run_state_machine_as_test(Rows, settings=BRIEF)
