"""A commit whose rows cannot be written, or that is interrupted meanwhile, saves nothing at all."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    connection,
    connections,
    transaction,
)

from deferred_signals.outbox.models import TABLE
from tests.app.models import Label, Line
from tests.support.outbox import Durable
from tests.support.statements import Refusing

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


class Timeout(BaseException):
    """What a greenlet's timeout is to code that it interrupts."""


ERRORS = [
    KeyboardInterrupt(),
    SystemExit(3),
    SoftTimeLimitExceeded(),
    Timeout(),
    MemoryError(),
    ValueError("a driver cannot write this"),
    InterfaceError("closed"),
    DatabaseError("no room"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_commit_saves_nothing_and_its_caller_gets_that_very_error(
    error: BaseException, durable: Durable, refusing: Refusing
) -> None:
    with pytest.raises(type(error)) as caught, refusing(error), transaction.atomic():
        Label.objects.create(name="undone")
        durable.send(1)
    assert caught.value is error
    assert not Label.objects.exists()
    assert durable.rows() == []
    assert durable.woken() == []
    assert connection.get_autocommit()
    assert not connection.in_atomic_block
    with transaction.atomic():
        Label.objects.create(name="saved")
        (id_,) = durable.send(2)
    assert Label.objects.exists()
    assert durable.kept() == [2]
    assert durable.woken() == [id_]


def test_only_the_second_statement_fails_and_nothing_of_the_first_stays(
    durable: Durable,
) -> None:
    seen: list[str] = []

    def refuse_second(execute: Any, sql: str, *arguments: Any) -> Any:
        if "INSERT INTO " + TABLE in sql:
            seen.append(sql)
            if len(seen) == 2:
                raise KeyboardInterrupt
        return execute(sql, *arguments)

    refusing = connection.execute_wrapper(refuse_second)
    with pytest.raises(KeyboardInterrupt), refusing, transaction.atomic():
        durable.send(*range(600))
    assert len(seen) == 2
    assert durable.rows() == []


@pytest.mark.parametrize("second", [KeyboardInterrupt, OSError])
def test_connection_that_cannot_roll_back_is_closed_and_so_saves_nothing(
    second: type[BaseException], durable: Durable, refusing: Refusing
) -> None:
    real = connections["default"]
    rollback = real.rollback

    def fail() -> None:
        del real.rollback
        raise second

    first = SystemExit(3)
    either = (SystemExit, KeyboardInterrupt)
    with pytest.raises(either) as caught, refusing(first), transaction.atomic():
        Label.objects.create(name="undone")
        durable.send(1)
        real.rollback = fail  # type: ignore[method-assign]
    assert rollback == real.rollback
    assert first in (caught.value, caught.value.__context__)
    assert not Label.objects.exists()
    with transaction.atomic():
        durable.send(2)
    assert durable.kept() == [2]


@pytest.fixture
def no_table() -> Iterator[None]:
    """Take the table away, as a deploy without `migrate` does."""
    quoted = connection.ops.quote_name
    away = quoted(f"{TABLE}_away")
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {quoted(TABLE)} RENAME TO {away}")
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {away} RENAME TO {quoted(TABLE)}")


def test_database_without_the_table_tells_the_caller_and_saves_nothing(
    durable: Durable, no_table: None
) -> None:
    with pytest.raises(DatabaseError, match=TABLE), transaction.atomic():
        Label.objects.create(name="undone")
        durable.send(1)
    assert not Label.objects.exists()
    with pytest.raises(DatabaseError, match=TABLE):
        durable.send(2)
    with transaction.atomic():
        Label.objects.create(name="saved")
    assert Label.objects.exists()


def test_rows_that_are_written_late_and_cannot_be_are_told_as_lost(
    durable: Durable,
    no_table: None,
    caplog: pytest.LogCaptureFixture,
    outside_of_tests: None,
) -> None:
    with transaction.atomic():
        durable.send(1)
        del connections["default"].commit  # another library puts back what it took for Django's
    assert [(record.levelno, record.name) for record in caplog.records] == [
        (logging.WARNING, "deferred_signals"),
        (logging.ERROR, "deferred_signals"),
    ]
    assert "without a commit()" in caplog.text
    assert "is lost" in caplog.text


def test_commit_that_the_database_itself_refuses_saves_nothing_and_wakes_nobody(
    durable: Durable,
) -> None:
    # Where constraints are deferred, the COMMIT is what fails: after the INSERT of the rows.
    with pytest.raises(IntegrityError), transaction.atomic():
        durable.send(1)
        Line.objects.create(order_id=-1)
    assert durable.rows() == []
    assert durable.woken() == []
    assert "commit" not in vars(connections["default"]) or connection.vendor == "mysql"
    with transaction.atomic():
        durable.send(2)
    assert durable.kept() == [2]
