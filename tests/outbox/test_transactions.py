"""Rows are written by the COMMIT of the sender's transaction: those of what survived, and no others."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, connections, transaction

from deferred_signals.outbox.sending import Outbox
from deferred_signals.sending import durable as port
from tests.app.models import Label
from tests.support.outbox import Durable
from tests.support.rollbacks import Stop, roll_back

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def names() -> set[str]:
    return set(Label.objects.values_list("name", flat=True))


def test_row_is_written_by_the_commit_and_not_before(durable: Durable) -> None:
    with transaction.atomic():
        (id_,) = durable.send(1)
        assert durable.kept() == []
    assert str(durable.row().id) == id_
    assert durable.woken() == [id_]


def test_rows_of_nested_blocks_are_written_in_the_order_of_their_sends(durable: Durable) -> None:
    with transaction.atomic():
        durable.send(1)
        with transaction.atomic():
            durable.send(2)
            with transaction.atomic(savepoint=False):
                durable.send(3)
            durable.send(4)
        durable.send(5)
    assert durable.kept() == [1, 2, 3, 4, 5]
    assert [row.position for row in durable.rows()] == [0, 1, 2, 3, 4]


def test_rows_are_written_by_one_commit_where_two_threads_need_the_outbox_first(
    durable: Durable,
) -> None:
    """One makes what keeps messages while the other has made it, and has sent the first one by it."""
    is_other_making, is_sent = Event(), Event()
    makers: list[Thread] = []

    def make() -> Outbox:
        makers.append(other)
        if len(makers) == 1:
            other.start()
            assert is_other_making.wait(10)
        else:
            is_other_making.set()
            assert is_sent.wait(10)
        return Outbox()

    other = Thread(target=port.durable)
    before = port.keep_durable_in(make)
    try:
        with transaction.atomic():
            durable.send(1)
            is_sent.set()
            other.join()
            durable.send(2)
    finally:
        port.keep_durable_in(before)
    assert len(makers) == 2
    assert durable.kept() == [1, 2]
    assert [row.position for row in durable.rows()] == [0, 1]


def test_nothing_of_a_rolled_back_transaction_is_written(durable: Durable) -> None:
    with pytest.raises(Stop), transaction.atomic():
        Label.objects.create(name="undone")
        durable.send(1)
        roll_back()
    assert durable.kept() == []
    assert names() == set()
    assert durable.woken() == []


def test_transaction_after_a_rolled_back_one_writes_its_own_rows(durable: Durable) -> None:
    with pytest.raises(Stop), transaction.atomic():
        durable.send(1)
        roll_back()
    with transaction.atomic():
        (id_,) = durable.send(2)
    with transaction.atomic():
        Label.objects.create(name="plain")
    assert durable.kept() == [2]
    assert durable.row().position == 0
    assert durable.woken() == [id_]
    assert "commit" not in vars(connections["default"])


def test_nothing_of_a_transaction_that_was_set_to_roll_back_is_written(durable: Durable) -> None:
    with transaction.atomic():
        durable.send(1)
        transaction.set_rollback(True)
    assert durable.kept() == []
    assert durable.woken() == []


def test_nothing_of_a_rolled_back_savepoint_is_written(durable: Durable) -> None:
    with transaction.atomic():
        (first,) = durable.send(1)
        with pytest.raises(Stop), transaction.atomic():
            durable.send(2)
            with transaction.atomic():
                durable.send(3)
            roll_back()
        (last,) = durable.send(4)
    assert durable.kept() == [1, 4]
    assert durable.woken() == [first, last]


def test_failed_block_without_a_savepoint_takes_the_whole_transaction_with_it(
    durable: Durable,
) -> None:
    with transaction.atomic():
        durable.send(1)
        with pytest.raises(Stop), transaction.atomic(savepoint=False):
            durable.send(2)
            roll_back()
    assert durable.kept() == []


def test_sends_in_a_savepoint_made_by_hand_are_written_as_django_runs_their_hooks(
    durable: Durable,
) -> None:
    with transaction.atomic():
        savepoint: Any = connection.savepoint()
        durable.send(1)
        connection.savepoint_commit(savepoint)
        savepoint = connection.savepoint()
        Label.objects.create(name="undone")
        durable.send(2)
        connection.savepoint_rollback(savepoint)
        durable.send(3)
    assert durable.kept() == [1, 2, 3]
    assert names() == set()


def test_durable_block_writes_at_its_end(durable: Durable) -> None:
    with transaction.atomic(durable=True):
        durable.send(1)
        assert durable.kept() == []
    assert durable.kept() == [1]


def test_hook_that_opens_a_transaction_writes_by_that_one(durable: Durable) -> None:
    def hook() -> None:
        seen.append(durable.kept())
        with transaction.atomic():
            durable.send(3)
        seen.append(durable.kept())

    seen: list[list[int]] = []
    with transaction.atomic():
        durable.send(1)
        transaction.on_commit(hook)
        durable.send(2)
    assert seen == [[1, 2], [1, 2, 3]]
    assert durable.kept() == [1, 2, 3]
    assert len(durable.woken()) == 3


def test_hook_of_other_code_that_raises_costs_wake_ups_and_no_row(durable: Durable) -> None:
    with pytest.raises(Stop), transaction.atomic():
        transaction.on_commit(roll_back)
        durable.send(1)
    assert durable.kept() == [1]
    assert durable.woken() == []


def test_each_database_keeps_its_own_messages(
    durable: Durable, configure: Callable[..., None]
) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    with transaction.atomic():
        with pytest.raises(Stop), transaction.atomic(using="other"):
            durable.send(1)
            durable.send(2, using="other")
            roll_back()
        with transaction.atomic(using="other"):
            durable.send(3)
            durable.send(4, using="other")
        assert durable.kept("other") == [4]
        assert durable.kept() == []
    assert durable.kept() == [1, 3]
    assert durable.kept("other") == [4]
    assert len(durable.woken()) == 3
