"""Connections that end, may not write, or belong to a request; and hooks that run without a commit."""

import sqlite3
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, TestCase
from django.urls import path

from tests.app.models import Label
from tests.support.outbox import Durable
from tests.support.rollbacks import Stop, roll_back

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

# Some tests let a view of this module send.
sending: list[Durable] = []


def order(request: HttpRequest) -> HttpResponse:
    Label.objects.create(name="bought")
    sending[0].send(1)
    if "fail" in request.GET:
        roll_back()
    return HttpResponse()


urlpatterns = [path("order", order)]


def names() -> set[str]:
    return set(Label.objects.values_list("name", flat=True))


def test_connection_that_is_closed_before_the_commit_writes_nothing(durable: Durable) -> None:
    with transaction.atomic():
        Label.objects.create(name="undone")
        durable.send(1)
        connection.close()
    with transaction.atomic():
        durable.send(2)
    assert durable.kept() == [2]
    assert names() == set()
    assert len(durable.woken()) == 1


def kill() -> None:
    """End the connection as a server does, or a network."""
    if connection.vendor == "sqlite":
        connections["default"].connection.close()
        return
    statement = {
        "postgresql": "SELECT pg_terminate_backend(%s)",
        "mysql": "KILL %s",
    }[connection.vendor]
    with connection.cursor() as cursor:
        own = "pg_backend_pid()" if connection.vendor == "postgresql" else "connection_id()"
        cursor.execute(f"SELECT {own}")
        (pid,) = cursor.fetchone()
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(statement, [pid])
    finally:
        other.close()


def test_connection_that_is_killed_before_the_commit_is_an_error_and_writes_nothing(
    durable: Durable,
) -> None:
    # SQLite's limits are read from the connection, without Django's errors.
    either = (DatabaseError, sqlite3.Error)
    with pytest.raises(either), transaction.atomic():
        Label.objects.create(name="undone")
        durable.send(1)
        kill()
    connection.close()
    with transaction.atomic():
        durable.send(2)
    assert durable.kept() == [2]
    assert names() == set()
    assert len(durable.woken()) == 1


@pytest.fixture
def read_only() -> Iterator[None]:
    """Let the transaction be one that may not write."""
    before, after = {
        "sqlite": ("PRAGMA query_only = 1", "PRAGMA query_only = 0"),
        "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
        "postgresql": (
            "SET default_transaction_read_only = on",
            "SET default_transaction_read_only = off",
        ),
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(before)
    yield
    with connection.cursor() as cursor:
        cursor.execute(after)


def test_transaction_that_may_not_write_tells_its_caller(durable: Durable, read_only: None) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        durable.send(1)
    assert durable.kept() == []
    assert durable.woken() == []


@pytest.fixture
def client(durable: Durable) -> Iterator[Client]:
    """Give a client of a site with ATOMIC_REQUESTS, whose view sends."""
    sending.append(durable)
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield Client(raise_request_exception=False)
    connection.settings_dict["ATOMIC_REQUESTS"] = False
    sending.clear()


@pytest.mark.urls(__name__)
def test_request_that_is_a_transaction_writes_at_its_end(client: Client, durable: Durable) -> None:
    assert client.get("/order").status_code == 200
    assert durable.kept() == [1]
    assert names() == {"bought"}
    assert len(durable.woken()) == 1


@pytest.mark.urls(__name__)
def test_request_that_fails_writes_nothing(client: Client, durable: Durable) -> None:
    assert client.get("/order?fail").status_code == 500
    assert durable.kept() == []
    assert names() == set()


@pytest.mark.urls(__name__)
def test_request_whose_rows_cannot_be_written_fails_and_saves_nothing(
    client: Client, durable: Durable, read_only: None
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert client.get("/order").status_code == 500
    assert durable.kept() == []
    assert names() == set()


def test_connection_with_health_checks_writes(durable: Durable) -> None:
    settings = connection.settings_dict
    before = settings["CONN_HEALTH_CHECKS"], settings["CONN_MAX_AGE"]
    settings["CONN_HEALTH_CHECKS"], settings["CONN_MAX_AGE"] = True, None
    try:
        connection.close()
        for number in (1, 2):
            with transaction.atomic():
                durable.send(number)
            connection.close_if_unusable_or_obsolete()
    finally:
        settings["CONN_HEALTH_CHECKS"], settings["CONN_MAX_AGE"] = before
        connection.close()
    assert durable.kept() == [1, 2]


def test_hooks_that_a_test_calls_without_a_commit_write_on_the_spot(
    durable: Durable, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Stop), transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True) as hooks:
            durable.send(1, 2)
            assert durable.kept() == []
        assert len(hooks) == 1
        assert durable.kept() == [1, 2]
        roll_back()
    assert caplog.records == []
    assert durable.kept() == []
