"""E011: the isolation levels that databases ask for in their settings."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core import checks
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from django.db.models.signals import post_save
from django.dispatch import Signal

from tests.app.models import Ticket
from tests.support.connected import Connected

pytestmark = pytest.mark.usefixtures("only_own_receivers")

Configure = Callable[..., None]
AddDatabase = Callable[..., None]

#: Nobody listens there, and no check may connect.
POSTGRESQL, MYSQL = "postgres://nobody@192.0.2.1/nothing", "mysql://nobody@192.0.2.1/nothing"


def found() -> list[checks.CheckMessage]:
    return checks.run_checks(tags=["deferred_signals"])


def ids() -> list[str]:
    return [str(message.id).partition(".")[2] for message in found()]


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


WRONG_LEVELS: list[tuple[str, dict[str, Any], str, str]] = [
    (POSTGRESQL, {"isolation_level": IsolationLevel.SERIALIZABLE}, "SERIALIZABLE", "Remove 'isol"),
    (
        POSTGRESQL,
        {"isolation_level": IsolationLevel.REPEATABLE_READ.value},
        "REPEATABLE READ",
        "Remove 'isolation_level' from DATABASES['strict']['OPTIONS']",
    ),
    (
        POSTGRESQL,
        {"options": r"-c search_path=a -c default_transaction_isolation=repeatable\ read -c x=1"},
        "REPEATABLE READ",
        "Remove the level from 'options' in DATABASES['strict']['OPTIONS']",
    ),
    (POSTGRESQL, {"options": "--default-transaction-isolation=serializable"}, "SERIALIZABLE", ""),
    (MYSQL, {"isolation_level": "Repeatable Read"}, "REPEATABLE READ", "'read committed'"),
    (MYSQL, {"isolation_level": "read uncommitted"}, "READ UNCOMMITTED", "'read committed'"),
    (MYSQL, {"isolation_level": None}, "the server's own", "Set 'isolation_level': 'read comm"),
    (MYSQL, {"isolation_level": ""}, "the server's own", "DATABASES['strict']['OPTIONS']"),
]


@pytest.mark.parametrize(("url", "options", "level", "hint"), WRONG_LEVELS)
def test_e011_isolation_level_under_which_a_long_run_would_fail(
    names: Configure,
    add_database: AddDatabase,
    signal: Signal,
    defer: Connected,
    url: str,
    options: dict[str, Any],
    level: str,
    hint: str,
) -> None:
    add_database("strict", url, OPTIONS=options)
    names("default", "strict")
    defer(signal, durable=True)(receive)
    assert ids() == []
    defer(Signal(), name="tests.atomic", durable=True, atomic=True)(receive)
    (message,) = found()
    assert (message.id, message.is_serious()) == ("deferred_signals.E011", True)
    assert f"and DATABASES['strict'] asks for {level}:" in message.msg
    assert "(tests.atomic)" in message.msg
    assert hint in str(message.hint)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (POSTGRESQL, {}),
        (POSTGRESQL, {"isolation_level": IsolationLevel.READ_COMMITTED}),
        (POSTGRESQL, {"isolation_level": IsolationLevel.READ_UNCOMMITTED}),
        (POSTGRESQL, {"options": "-c statement_timeout=5s"}),
        (POSTGRESQL, {"options": r"-c default_transaction_isolation='read\ committed'"}),
        (POSTGRESQL, {"isolation_level": "of no kind"}),  # Django tells
        (POSTGRESQL, {"isolation_level": ["of", "no", "kind"]}),
        (MYSQL, {}),
        (MYSQL, {"isolation_level": "READ COMMITTED"}),
    ],
)
def test_isolation_level_that_is_read_committed_is_sound(
    names: Configure,
    add_database: AddDatabase,
    signal: Signal,
    defer: Connected,
    url: str,
    options: dict[str, Any],
) -> None:
    add_database("lax", url, OPTIONS=options)
    names("default", "lax")
    defer(signal, durable=True, atomic=True)(receive)
    assert ids() == []


def test_isolation_level_matters_only_where_an_atomic_receiver_may_run(
    names: Configure, add_database: AddDatabase, signal: Signal, defer: Connected
) -> None:
    add_database("strict", MYSQL, OPTIONS={"isolation_level": None})
    names("default", "other", "strict")
    defer(post_save, sender=Ticket, durable=True, atomic=True)(receive)
    defer(signal, using="other", durable=True, atomic=True)(receive)
    assert ids() == []
