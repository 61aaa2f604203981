"""One INSERT for a transaction; several where one would be too large for a server."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from deferred_signals.outbox.rows import PARAMETERS
from tests.app.models import Label
from tests.support.connected import Connected
from tests.support.outbox import Durable
from tests.support.statements import inserts

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

KIB = 1024


def test_transaction_has_one_statement_more(durable: Durable) -> None:
    with CaptureQueriesContext(connection) as before, transaction.atomic():
        Label.objects.create(name="first")
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        Label.objects.create(name="second")
        durable.send(1, 2)
        with transaction.atomic(savepoint=False):
            durable.send(3)
    is_asked = connection.vendor == "mysql" and not connection.mysql_is_mariadb  # type: ignore[attr-defined]
    assert len(queries) == len(before) + (2 if is_asked else 1)
    assert len(durable.woken()) == 3


def test_rows_of_all_savepoints_share_a_statement(durable: Durable, defer: Connected) -> None:
    durable.connect(name="tests.second")
    with inserts() as found, transaction.atomic():
        durable.send(1)
        for number in (2, 3):
            with transaction.atomic():
                durable.send(number)
    assert found == [6]
    assert [row.position for row in durable.rows()] == [0, 1, 2, 3, 4, 5]


def test_transaction_that_sends_nothing_durable_has_no_statement_of_ours(durable: Durable) -> None:
    with inserts() as found, transaction.atomic():
        Label.objects.create(name="plain")
    assert found == []


def test_more_than_500_rows_take_several_statements(durable: Durable) -> None:
    count = 1203
    most = 500
    if connection.features.max_query_params:
        most = min(most, (connection.features.max_query_params - 1) // PARAMETERS)
    with inserts() as found, transaction.atomic():
        ids = durable.send(*range(count))
    assert found == [most] * (count // most) + [count % most]
    assert durable.kept() == [*range(count)]
    assert [row.position for row in durable.rows()] == [*range(count)]
    assert durable.woken() == ids


@pytest.mark.parametrize("limit", [5, 21, 30, 41, 42])
def test_statement_has_no_more_parameters_than_the_connection_allows(
    durable: Durable, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def note(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        seen.append(len(params or ()))
        return execute(sql, params, *rest)

    monkeypatch.setattr(type(connection.features), "max_query_params", limit)
    with connection.execute_wrapper(note), transaction.atomic():
        for number in range(9):
            durable.send(number)
    assert durable.kept() == [*range(9)]
    assert max(seen) <= max(limit, PARAMETERS + 1)  # a row that needs more goes alone


def test_statement_holds_a_mebibyte_of_payloads_and_a_larger_row_goes_alone(
    durable: Durable, configure: Callable[..., None]
) -> None:
    configure(MAX_MESSAGE_BYTES=2 * KIB * KIB)
    with inserts() as found, transaction.atomic():
        for number, size in enumerate((400, 400, 400, 1300, 10, 10)):
            durable.send(number, text="x" * size * KIB)
    assert found == [2, 1, 1, 2]
    assert durable.kept() == [*range(6)]


def test_300_messages_of_200_kib_are_written(durable: Durable) -> None:
    text = "ü" * 100 * KIB
    with inserts() as found, transaction.atomic():
        for number in range(300):
            durable.send(number, text=text)
    assert sum(found) == 300
    assert max(found) == 5
    rows = durable.rows()
    assert [row.position for row in rows] == [*range(300)]
    assert {text in row.payload for row in rows} == {True}
    assert len(durable.woken()) == 300
