"""The system checks of durable delivery that ask no database."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.signals import user_login_failed
from django.core import checks
from django.db import connections
from django.db.models.signals import m2m_changed, post_save
from django.dispatch import Signal
from pytest_django import Settings

from tests.app.models import Order, PaidOrder, Ticket
from tests.support.connected import Connected

pytestmark = pytest.mark.usefixtures("only_own_receivers")

Configure = Callable[..., None]
AddDatabase = Callable[..., None]

#: Nobody listens there, and no check may connect.
POSTGRESQL = "postgres://nobody@192.0.2.1/nothing"
SQLITE = "sqlite:///:memory:"
DUMMY = "django.db.backends.dummy"


def found() -> list[checks.CheckMessage]:
    return checks.run_checks(tags=["deferred_signals"])


def ids() -> list[str]:
    return [str(message.id).partition(".")[2] for message in found()]


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


class Router:
    """Write orders, and proxies of them, to another database."""

    def db_for_write(self, model: type, **hints: object) -> str | None:
        return "other" if issubclass(model, (Order, Order.labels.through)) else None


class NeedsInstance:
    """Cannot tell where a model is written."""

    def db_for_write(self, model: type, **hints: object) -> str | None:
        raise KeyError("instance")


def test_sound_project_has_nothing_to_be_told(
    names: Configure, signal: Signal, defer: Connected
) -> None:
    names("default", "other")
    defer(post_save, sender=Order, durable=True, atomic=True)(receive)
    defer(signal, durable=True, using="other")(receive)
    assert ids() == []


def test_e008_database_that_is_not_there(names: Configure) -> None:
    names("default", "othr")
    (message,) = found()
    assert (message.id, message.is_serious()) == ("deferred_signals.E008", True)
    assert "['DATABASES'] names 'othr', which is not in DATABASES" in message.msg
    assert message.hint == "Did you mean 'other'?"


def test_e008_no_database_at_all(names: Configure) -> None:
    names()
    (message,) = found()
    assert message.id == "deferred_signals.E008"
    assert "['DATABASES'] is empty" in message.msg


def test_e009_database_that_is_not_supported(names: Configure, add_database: AddDatabase) -> None:
    add_database("nothing", SQLITE, ENGINE=DUMMY)
    names("default", "nothing")
    (message,) = found()
    assert (message.id, message.is_serious()) == ("deferred_signals.E009", True)
    assert "'nothing', and durable delivery does not work on its ENGINE" in message.msg
    assert "'django.db.backends.dummy'" in message.msg
    assert "PostgreSQL, MySQL, MariaDB or SQLite" in str(message.hint)


@pytest.mark.parametrize(
    "options", [{}, {"transaction_mode": None}, {"transaction_mode": "defErred"}]
)
def test_e010_sqlite_that_takes_its_lock_late(
    names: Configure, add_database: AddDatabase, options: dict[str, Any]
) -> None:
    add_database("late", SQLITE, OPTIONS=options)
    names("default", "late")
    (message,) = found()
    assert (message.id, message.is_serious()) == ("deferred_signals.E010", True)
    assert "names 'late', a SQLite" in message.msg
    assert message.hint == ("Add 'transaction_mode': 'IMMEDIATE' to DATABASES['late']['OPTIONS'].")


@pytest.mark.parametrize("mode", ["IMMEDIATE", "immediate", "EXCLUSIVE"])
def test_sqlite_that_takes_its_lock_at_once_is_sound(
    names: Configure, add_database: AddDatabase, mode: str
) -> None:
    add_database("soon", SQLITE, OPTIONS={"transaction_mode": mode})
    names("default", "soon")
    assert ids() == []


def test_databases_without_the_table_may_be_as_they_like(add_database: AddDatabase) -> None:
    add_database("late", SQLITE, OPTIONS={})
    add_database("nothing", SQLITE, ENGINE=DUMMY)
    assert ids() == []


def test_engine_that_cannot_be_loaded_ends_in_no_traceback(
    names: Configure, add_database: AddDatabase, defer: Connected
) -> None:
    add_database("odd", SQLITE, ENGINE="tests.nowhere")
    names("default", "odd")
    defer(post_save, sender=Order, durable=True, atomic=True)(receive)
    assert ids() == []


@pytest.mark.parametrize("sender", [Order, PaidOrder, "tests_app.Order"])
def test_e012_sender_that_is_written_elsewhere(
    settings: Settings, configure: Configure, defer: Connected, sender: Any
) -> None:
    settings.DATABASE_ROUTERS = [Router()]
    configure(DURABLE=True)
    defer([post_save, m2m_changed], name="tests.durable", sender=[sender, Ticket])(receive)
    (message,) = found()
    assert (message.id, message.is_serious()) == ("deferred_signals.E012", True)
    assert "tests.durable is durable, and the database router writes tests_app." in message.msg
    assert "Order to 'other', which DEFERRED_SIGNALS['OUTBOX']['DATABASES']" in message.msg
    assert "run manage.py migrate --database other" in str(message.hint)
    assert "durable=False" in str(message.hint)
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    assert ids() == []


def test_e012_relation_that_is_written_elsewhere(settings: Settings, defer: Connected) -> None:
    settings.DATABASE_ROUTERS = [Router()]
    defer(m2m_changed, sender=Order.labels.through, durable=True)(receive)
    (message,) = found()
    assert "tests_app.Order_labels to 'other'" in message.msg


def test_e012_using_names_another_database(
    names: Configure, signal: Signal, defer: Connected
) -> None:
    defer(signal, name="tests.durable", durable=True, using="other")(receive)
    (message,) = found()
    assert (message.id, message.is_serious()) == ("deferred_signals.E012", True)
    assert "tests.durable is durable, and using= names 'other', which" in message.msg
    assert "run manage.py migrate --database other; or correct using=" in str(message.hint)
    names("default", "other")
    assert ids() == []


def test_e012_using_names_no_database(signal: Signal, defer: Connected) -> None:
    defer(signal, durable=True, using="othr")(receive)
    (message,) = found()
    assert message.id == "deferred_signals.E012"
    assert message.hint == "'othr' is not in DATABASES. Did you mean 'other'?"


def test_using_decides_and_not_the_router(settings: Settings, defer: Connected) -> None:
    settings.DATABASE_ROUTERS = [Router()]
    defer(post_save, sender=Order, durable=True, using="default")(receive)
    assert ids() == []


def test_receivers_that_are_not_durable_may_wait_for_any_database(
    settings: Settings, configure: Configure, signal: Signal, defer: Connected
) -> None:
    settings.DATABASE_ROUTERS = [Router()]
    defer(post_save, sender=Order)(receive)
    defer(signal, using="other")(receive)
    configure(DURABLE=True)
    assert ids() == ["E012", "E012"]
    defer(user_login_failed, using="other")(receive)
    defer(Signal(), durable=False, using="other")(receive)
    assert ids() == ["E012", "E012"]


def test_router_that_cannot_tell_without_an_instance_ends_in_no_traceback(
    settings: Settings, defer: Connected
) -> None:
    settings.DATABASE_ROUTERS = [NeedsInstance()]
    defer(post_save, sender=Order, durable=True, atomic=True)(receive)
    assert ids() == []


def test_no_check_connects_to_a_database(
    names: Configure, add_database: AddDatabase, signal: Signal, defer: Connected
) -> None:
    add_database("far", POSTGRESQL)
    names("default", "other", "far")
    defer(signal, durable=True, atomic=True)(receive)
    assert ids() == []
    assert connections["far"].connection is None
