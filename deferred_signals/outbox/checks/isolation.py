"""E011: the isolation level that ``atomic=True`` needs.

While a run goes on, another connection renews the claim of its row. Above READ COMMITTED, the DELETE
that ends the run then fails, since the row has changed under its snapshot.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error

from deferred_signals.checks.common import listed, message
from deferred_signals.checks.durable import durable_receivers
from deferred_signals.outbox.checks.databases import options_of, supported
from deferred_signals.outbox.checks.receivers import aliases_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.receivers.receiver import Receiver

__all__ = ["check", "check_server"]

#: On PostgreSQL, READ UNCOMMITTED is another name of the same level.
_FIT = {
    "postgresql": frozenset({"read committed", "read uncommitted"}),
    "mysql": frozenset({"read committed"}),
}

#: libpq's options for the server: ``-c default_transaction_isolation=repeatable\ read``.
_IN_OPTIONS = re.compile(r"default[_-]transaction[_-]isolation\s*=\s*((?:\\.|[^\s\\])+)")


def check() -> Iterator[CheckMessage]:
    """Check what settings ask for, of each database on which a receiver with ``atomic=True`` may run."""
    for connection, names in _databases_of_atomic():
        level = _level(connection)
        if level is not None and level not in _FIT[connection.vendor]:
            shown = level if level is _SERVERS_OWN else level.upper()
            yield _wrong_level(
                names, f"DATABASES[{connection.alias!r}] asks for {shown}", _remedy(connection)
            )


def check_server(alias: str) -> Iterator[CheckMessage]:
    """Check what PostgreSQL itself is set to for a database, where the settings leave it at that."""
    for connection, names in _databases_of_atomic():
        is_meant = connection.alias == alias and connection.vendor == "postgresql"
        if not is_meant or _level(connection) is not None:
            continue
        with connection.cursor() as cursor:
            cursor.execute("SHOW default_transaction_isolation")
            (level,) = cursor.fetchone()
        if level not in _FIT["postgresql"]:
            yield _wrong_level(
                names,
                f"DATABASES[{alias!r}] is a PostgreSQL whose default is {level.upper()}",
                f"Set 'isolation_level': IsolationLevel.READ_COMMITTED in "
                f"DATABASES[{alias!r}]['OPTIONS'].",
            )


def _databases_of_atomic() -> Iterator[tuple[BaseDatabaseWrapper, list[str]]]:
    """Give each database on which receivers with ``atomic=True`` may run, with their names."""
    atomic = [receiver for receiver in durable_receivers() if receiver.options.atomic]
    for alias, connection in supported().items() if atomic else ():
        names = [receiver.name for receiver in atomic if _may_run_on(receiver, alias)]
        if names:
            yield connection, names


def _may_run_on(receiver: Receiver, alias: str) -> bool:
    known = aliases_of(receiver)
    return not known or alias in known


def _level(connection: BaseDatabaseWrapper) -> str | None:
    """Return the level that a connection's settings ask for; None where they leave it as it is."""
    if connection.vendor == "postgresql":
        return _postgresql_level(connection)
    if connection.vendor == "mysql":
        level = options_of(connection).get("isolation_level", "read committed")
        return str(level).lower() if level else _SERVERS_OWN
    return None


_SERVERS_OWN = "the server's own"


def _postgresql_level(connection: BaseDatabaseWrapper) -> str | None:
    # Django's documentation names this place. It is a driver's, which may be absent elsewhere.
    from django.db.backends.postgresql.psycopg_any import IsolationLevel  # noqa: PLC0415 - see above

    options = options_of(connection)
    if "isolation_level" in options:
        try:
            return str(IsolationLevel(options["isolation_level"]).name).lower().replace("_", " ")
        except (TypeError, ValueError):
            return None  # Django reports it
    found = _IN_OPTIONS.search(str(options.get("options", "")))
    return re.sub(r"\\(.)", r"\1", found[1]).strip("'\"").lower() if found else None


def _remedy(connection: BaseDatabaseWrapper) -> str:
    place = f"DATABASES[{connection.alias!r}]['OPTIONS']"
    if connection.vendor == "mysql":
        return f"Set 'isolation_level': 'read committed' in {place}."
    if "isolation_level" in options_of(connection):
        return f"Remove 'isolation_level' from {place}."
    return f"Remove the level from 'options' in {place}."


def _wrong_level(names: list[str], why: str, remedy: str) -> CheckMessage:
    return message(
        Error,
        "E011",
        f"Receivers with atomic=True need the isolation level READ COMMITTED, and {why}: a run that "
        f"takes longer than a third of LEASE would fail at its end ({listed(names)}).",
        f"{remedy} Or remove atomic=True.",
    )
