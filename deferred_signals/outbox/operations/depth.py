"""How deep the outbox is, by one statement that reads so many rows at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deferred_signals.outbox.dialects import Term, dialect_of, moment_of
from deferred_signals.outbox.models import TABLE
from deferred_signals.outbox.on_pause import NOT_PAUSED
from deferred_signals.outbox.operations.states import DEAD, QUEUED, column_of, running
from deferred_signals.outbox.operations.status import MOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.outbox.dialects import Dialect

__all__ = ["MOST", "Depth", "depth"]


@dataclass(frozen=True)
class Depth:
    """How deep the outbox of one database is.

    Attributes:
        using: alias of the database.
        counts: messages by their states, each up to `MOST`. ``waiting`` are all that are due later:
            retries, countdowns, and what relays hold back of paused receivers.
        oldest_due: seconds since the first message became due that is still due, and whose receiver is
            not paused; 0 if none is.
    """

    using: str
    counts: Mapping[str, int]
    oldest_due: float


def depth(connection: BaseDatabaseWrapper) -> Depth:
    """Count what is in the outbox of a database.

    Raises:
        django.db.Error: the database does not answer, or lacks the table.
    """
    dialect = dialect_of(connection)
    states = _states(dialect)
    firsts = _firsts(dialect, connection.vendor)
    parts = [dialect.now(), *map(_counted, states.values()), *firsts]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(part.sql for part in parts)}",
            [value for part in parts for value in part.values],
        )
        now, *found = cursor.fetchone()
    times = [moment_of(connection, at) for at in found[len(states) :] if at is not None]
    ages = [(moment_of(connection, now) - at).total_seconds() for at in times]
    counts = dict(zip(states, map(int, found), strict=False))
    return Depth(connection.alias, counts, max([0.0, *ages]))


def _states(dialect: Dialect) -> dict[str, Term]:
    """Tell the states apart, each by what its index has."""
    now = dialect.bound()
    return {
        "due": _due(dialect, "woken_at IS NULL"),
        "queued": QUEUED,
        "running": running(dialect),
        "waiting": Term(
            f"woken_at IS NULL AND due_at > {now.sql} AND claimed_by IS NULL", now.values
        ),
        "dead": DEAD,
    }


def _due(dialect: Dialect, woken: str) -> Term:
    now = dialect.bound()
    return Term(f"{woken} AND due_at <= {now.sql}", now.values)


def _counted(where: Term) -> Term:
    order = f"ORDER BY {column_of(where)} LIMIT {MOST:d}"
    rows = f"SELECT 1 AS one FROM {TABLE} WHERE {where.sql} {order}"
    return Term(f"(SELECT COUNT(*) FROM ({rows}) AS counted)", where.values)


def _firsts(dialect: Dialect, vendor: str) -> list[Term]:
    """Tell when the first rows were due, by the first entries of indexes.

    There is one index of all rows on MySQL and MariaDB, and elsewhere one of those whose wake-up is out, and
    one of the others.
    """
    if vendor == "mysql":
        now = dialect.bound()
        return [_first(Term(f"due_at <= {now.sql}", now.values))]
    return [_first(_due(dialect, woken)) for woken in ("woken_at IS NULL", "woken_at IS NOT NULL")]


def _first(where: Term) -> Term:
    return Term(
        f"(SELECT due_at FROM {TABLE} WHERE {where.sql} AND {NOT_PAUSED} ORDER BY due_at LIMIT 1)",
        where.values,
    )
