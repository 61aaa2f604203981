"""One INSERT for a transaction; several where one would be too large for a server."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from deferred_signals.outbox.rows import PARAMETERS
from tests.app.models import Label
from tests.support.connected import Connected
from tests.support.outbox import Durable, number_of
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


def test_statement_has_no_more_parameters_than_the_connection_allows(
    durable: Durable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        seen.append(len(params or ()))
        return execute(sql, params, *rest)

    # A row that needs more than the limit goes alone.
    for limit, most in {5: 11, 21: 21, 30: 30, 41: 41, 42: 42}.items():
        seen: list[int] = []
        monkeypatch.setattr(type(connection.features), "max_query_params", limit)
        with connection.execute_wrapper(note), transaction.atomic():
            durable.send(*range(9))
        assert durable.kept()[-9:] == [*range(9)]
        assert 0 < max(seen) <= most


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


@pytest.fixture
def bound_by_the_server() -> Iterator[None]:
    """Let PostgreSQL itself put the parameters into statements."""
    if connection.vendor != "postgresql":
        pytest.skip("Only psycopg leaves the parameters to the server.")
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    options["server_side_binding"] = True
    yield
    connection.close()
    del options["server_side_binding"]


def test_parameters_that_the_server_binds_are_of_the_right_types(
    durable: Durable, bound_by_the_server: None
) -> None:
    durable.connect(name="tests.expiring", expires=60)
    durable.connect(name="tests.until", expires=datetime(2100, 1, 1, tzinfo=UTC))
    durable.connect(name="tests.later", countdown=1.5)
    with transaction.atomic():
        durable.send(*range(300))
    durable.send(300)
    assert sorted(durable.kept()) == sorted([*range(301)] * 4)


def test_sends_of_durable_and_of_other_receivers_share_a_hook_of_their_own(
    durable: Durable,
) -> None:
    durable.connect(name="tests.other", durable=False)
    with inserts() as found, transaction.atomic():
        ids = durable.send(*range(20))
        assert len(connection.run_on_commit) == 2
        with transaction.atomic():
            ids += durable.send(20)
            assert len(connection.run_on_commit) == 4
        transaction.on_commit(lambda: None)
        ids += durable.send(21)
        assert len(connection.run_on_commit) == 7
    assert found == [22]
    assert durable.kept() == [*range(22)]
    assert sorted(message.headers["id"] for message in durable.published()) == sorted(ids)


def test_sends_to_be_merged_share_hooks_beside_those_of_other_receivers(durable: Durable) -> None:
    def key(sender: object, number: int, **kwargs: object) -> int:
        return number % 2

    for name, is_durable in {"tests.merged": True, "tests.other": False}.items():
        durable.connect(name=name, durable=is_durable, coalesce=key)
    with inserts() as found, transaction.atomic():
        durable.send(*range(20))
        assert len(connection.run_on_commit) == 4
    assert found == [22]
    merged = [row for row in durable.rows() if row.receiver == "tests.merged"]
    assert sorted(map(number_of, merged)) == [18, 19]
    tasks = [message.task for message in durable.published()]
    assert {name: tasks.count(name) for name in set(tasks)} == {
        "tests.durable": 20,
        "tests.merged": 2,
        "tests.other": 2,
    }
