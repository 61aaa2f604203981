"""E008, E009, E010: the databases that are to carry the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Error
from django.db import connections

from deferred_signals import conf
from deferred_signals.checks.common import message
from deferred_signals.outbox.dialects import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["SETTING", "check", "options_of", "supported"]

SETTING = "DEFERRED_SIGNALS['OUTBOX']['DATABASES']"

#: The modes in which a transaction of SQLite takes its lock when it begins.
_LOCKING = frozenset({"IMMEDIATE", "EXCLUSIVE"})


def supported() -> dict[str, BaseDatabaseWrapper]:
    """Return the connections of the databases that can carry the table, by their aliases."""
    found = {alias: connection_of(alias) for alias in conf.current().OUTBOX.DATABASES}
    return {
        alias: connection
        for alias, connection in found.items()
        if connection is not None and connection.vendor in VENDORS
    }


def connection_of(alias: str) -> BaseDatabaseWrapper | None:
    """Return the connection of an alias; None if there is none, or if its engine cannot be loaded."""
    try:
        return connections[alias]
    except Exception:  # noqa: BLE001 - importing an engine of the project's may raise anything
        return None


def options_of(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return the ``OPTIONS`` of a connection's settings."""
    return connection.settings_dict.get("OPTIONS") or {}


def check() -> Iterator[CheckMessage]:
    """Check each database that the setting names."""
    names = conf.current().OUTBOX.DATABASES
    if not names:
        yield message(
            Error,
            "E008",
            f"{SETTING} is empty: no database keeps durable messages, and none can be sent.",
            "Name the aliases of the databases that are to carry the table.",
        )
    for alias in dict.fromkeys(names):
        if alias not in connections:
            yield message(
                Error,
                "E008",
                f"{SETTING} names {alias!r}, which is not in DATABASES.",
                conf.nearest(alias, connections),
            )
            continue
        connection = connection_of(alias)
        if connection is not None and connection.vendor not in VENDORS:
            yield _unsupported(connection)
        elif connection is not None and connection.vendor == "sqlite":
            yield from _check_mode(connection)


def _unsupported(connection: BaseDatabaseWrapper) -> CheckMessage:
    alias, engine = connection.alias, connection.settings_dict.get("ENGINE")
    return message(
        Error,
        "E009",
        f"{SETTING} names {alias!r}, and durable delivery does not work on its ENGINE, {engine!r}.",
        "Name only databases that are PostgreSQL, MySQL, MariaDB or SQLite. Receivers that wait for "
        "the commits of others cannot be durable.",
    )


def _check_mode(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    alias, mode = connection.alias, options_of(connection).get("transaction_mode")
    if str(mode).upper() not in _LOCKING:
        yield message(
            Error,
            "E010",
            f"{SETTING} names {alias!r}, a SQLite whose transactions take no lock when they begin. "
            f"A transaction that reads first and has durable messages fails at its COMMIT with "
            f"'database is locked' if another one has written meanwhile, whatever 'timeout' says.",
            f"Add 'transaction_mode': 'IMMEDIATE' to DATABASES[{alias!r}]['OPTIONS'].",
        )
