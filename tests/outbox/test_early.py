"""A hook that holds very many messages writes them before the commit, in its own savepoints."""

import tracemalloc
from typing import Any

import pytest
from django.db import connection, transaction
from django.dispatch import Signal

from tests.app.models import Label
from tests.support.celery_messages import take_celery_messages
from tests.support.connected import Connected
from tests.support.outbox import Durable
from tests.support.rollbacks import Stop, roll_back
from tests.support.statements import inserts

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

KIB = 1024


def positions(durable: Durable) -> list[int]:
    return [row.position for row in durable.rows()]


def test_2000_rows_are_written_before_the_commit_and_woken_after_it(durable: Durable) -> None:
    with inserts() as found, transaction.atomic():
        ids = durable.send(*range(2000))
        assert sum(found) == 2000
        assert len(durable.rows()) == 2000
        assert take_celery_messages() == []
        ids += durable.send(2000)
        assert sum(found) == 2000
    assert sum(found) == 2001
    assert durable.kept() == [*range(2001)]
    assert positions(durable) == [*range(2001)]
    assert durable.woken() == ids


def test_eight_mebibytes_are_written_before_the_commit(durable: Durable) -> None:
    with inserts() as found, transaction.atomic():
        durable.send(*range(45), text="x" * 200 * KIB)
        assert sum(found) == 41
    assert positions(durable) == [*range(45)]


def test_rolled_back_savepoint_takes_its_early_rows_with_it(durable: Durable) -> None:
    with transaction.atomic():
        (first,) = durable.send(1)
        with pytest.raises(Stop), inserts() as found, transaction.atomic():
            durable.send(*range(2, 2502))
            assert sum(found) == 2000
            roll_back()
        (last,) = durable.send(3)
    assert durable.kept() == [1, 3]
    assert positions(durable) == [0, 1]
    assert durable.woken() == [first, last]


def test_rolled_back_transaction_takes_its_early_rows_with_it(durable: Durable) -> None:
    with pytest.raises(Stop), transaction.atomic():
        durable.send(*range(2000))
        roll_back()
    assert durable.rows() == []
    assert durable.woken() == []


def test_positions_are_those_of_the_sends_though_later_rows_are_written_first(
    durable: Durable,
) -> None:
    with transaction.atomic():
        durable.send(0)
        with transaction.atomic():
            durable.send(*range(1, 2001))
        durable.send(2001)
    by_position = sorted(durable.rows(), key=lambda row: row.position)
    assert [row.position for row in by_position] == [*range(2002)]
    assert sorted(str(row.id) for row in by_position) == [str(row.id) for row in by_position]


def test_savepoint_made_by_hand_takes_nothing_with_it_that_was_sent_before(
    durable: Durable,
) -> None:
    with transaction.atomic():
        ids = durable.send(*range(1500))
        savepoint: Any = connection.savepoint()
        Label.objects.create(name="undone")
        ids += durable.send(*range(1500, 2500))
        connection.savepoint_rollback(savepoint)
        ids += durable.send(2500)
    assert not Label.objects.exists()
    assert durable.kept() == [*range(2501)]
    assert positions(durable) == [*range(2501)]
    assert durable.woken() == ids


def test_messages_to_be_merged_wait_for_the_commit(
    signal: Signal, defer: Connected, durable: Durable
) -> None:
    @defer(signal, durable=True, coalesce=lambda sender, number, **kwargs: number % 2)
    def receive(sender: object, **kwargs: object) -> None: ...

    with inserts() as found, transaction.atomic():
        for number in range(2100):
            signal.send(None, number=number)
        assert found == []
    assert found == [2]
    assert durable.kept() == [2098, 2099]
    assert positions(durable) == [2098, 2099]


def test_error_of_an_early_row_reaches_the_sender(durable: Durable) -> None:
    def refuse(execute: Any, sql: str, *arguments: Any) -> Any:
        if "outboxmessage" in sql:
            raise KeyboardInterrupt
        return execute(sql, *arguments)

    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        Label.objects.create(name="undone")
        durable.send(*range(1999))
        with connection.execute_wrapper(refuse):
            durable.send(1999)
    assert durable.rows() == []
    assert not Label.objects.exists()


def test_transaction_of_very_many_sends_does_not_keep_their_payloads(durable: Durable) -> None:
    count, text = 180, "x" * 200 * KIB
    durable.send(-1, text=text)
    durable.published()
    tracemalloc.start()
    try:
        with transaction.atomic():
            for number in range(count):
                durable.signal.send(None, number=number, text=text)
            kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    payloads = count * len(text)
    assert kept < payloads / 5
    assert most < payloads / 2
