"""How the outbox stands: counts, oldest ages, paused receivers, and whether relays live.

All of it is read by statements that take as long with a million rows as with a thousand: counts end at
`MOST`, and ages come from indexes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from django.db import Error

from deferred_signals import conf
from deferred_signals.outbox.dialects import Term, dialect_of, moment_of, time_of
from deferred_signals.outbox.models import TABLE
from deferred_signals.outbox.on_pause import NOT_PAUSED, PAUSED
from deferred_signals.outbox.operations.databases import connections_of
from deferred_signals.outbox.operations.pausing import paused
from deferred_signals.outbox.operations.states import DEAD, QUEUED, column_of, running

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["MOST", "STATES", "Count", "Health", "Status", "health", "status"]

#: The states that are told apart, in the order of a message's way.
STATES = ("waiting", "due", "paused", "queued", "running", "retrying", "dead")

#: Rows that are counted by one statement.
MOST = 1000


@dataclass(frozen=True)
class Count:
    """So many messages of one state.

    Attributes:
        number: how many; at most `MOST`.
        more: there may be more than that.
        oldest: seconds since the first one came into the state; of those that wait, seconds until it
            is due, below 0. None where there is none.
        receivers: how many of them each receiver has. Where there are more, these are the oldest ones
            only.
    """

    number: int = 0
    more: bool = False
    oldest: float | None = None
    receivers: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.number:,}+" if self.more else f"{self.number:,}"

    def and_(self, other: Count) -> Count:
        """Add others of the same state."""
        number = self.number + other.number
        ages = [age for age in (self.oldest, other.oldest) if age is not None]
        return Count(
            min(number, MOST),
            self.more or other.more or number > MOST,
            max(ages, default=None),
            dict((Counter(self.receivers) + Counter(other.receivers)).most_common()),
        )


@dataclass(frozen=True)
class Status:
    """How the outbox of one database stands.

    Attributes:
        using: alias of the database.
        counts: by the names of the states, in the order of `STATES`. Of receivers that are paused, what
            is due counts as paused.
        paused: names of the receivers that are paused.
        relays_live: no message has been due for longer than two ``LEASE``.
        oldest_snapshot: on PostgreSQL, seconds since the oldest transaction began that keeps VACUUM from
            removing rows; None elsewhere, and where there is none.
    """

    using: str
    counts: Mapping[str, Count]
    paused: tuple[str, ...]
    relays_live: bool
    oldest_snapshot: float | None = None


@dataclass(frozen=True)
class Health:
    """Whether durable delivery works, for a page of the project's own.

    Attributes:
        ok: nothing is wrong.
        problems: what is wrong, in sentences without names of hosts or values.
        dead: how many dead letters there are, at most `MOST`. They are no problem by themselves.
    """

    ok: bool
    problems: tuple[str, ...] = ()
    dead: int = 0


def status(using: str | None = None) -> list[Status]:
    """Tell how the outbox of each database stands.

    Arguments:
        using: alias of the database; None: all that have an outbox.

    Raises:
        ValueError: the database has no outbox.
        django.db.Error: a database does not answer, or lacks the table.
    """
    return [_status(connection) for connection in connections_of(using)]


def health() -> Health:
    """Tell whether durable delivery works; it never raises for a database that does not answer.

    It asks each database of the outbox by a few short statements, so a monitor may ask often.

    >>> Health(ok=False, problems=("default: no relay lives.",)).ok
    False
    """
    problems: list[str] = []
    dead = 0
    for connection in connections_of(None):
        try:
            counted = _counted(connection, DEAD, "dead_at", lambda _: "dead")
            dead += counted.get("dead", Count()).number
            if not _relays_live(connection):
                problems.append(
                    f"{connection.alias}: messages are due for longer than two LEASE. No relay "
                    f"lives, or the broker takes nothing."
                )
        except Error as error:
            problems.append(
                f"{connection.alias}: the outbox cannot be read ({type(error).__name__})."
            )
    return Health(not problems, tuple(problems), dead)


def _status(connection: BaseDatabaseWrapper) -> Status:
    dialect, names = dialect_of(connection), set(paused(connection.alias))
    now, free = dialect.bound(), "claimed_by IS NULL AND dead_at IS NULL"
    due = Term(f"woken_at IS NULL AND due_at <= {now.sql}", now.values)
    ahead = Term(f"woken_at IS NULL AND due_at > {now.sql} AND {free}", now.values)
    counts: dict[str, Count] = {}
    for where, since, state_of in (
        (due, "due_at", lambda row: "paused" if row.receiver in names else "due"),
        (QUEUED, "woken_at", lambda _: "queued"),
        (running(dialect), "claimed_at", lambda _: "running"),
        (ahead, _HELD_SINCE, _state_ahead),
        (DEAD, "dead_at", lambda _: "dead"),
    ):
        for state, count in _counted(connection, where, since, state_of).items():
            counts[state] = counts.get(state, Count()).and_(count)
    return Status(
        connection.alias,
        {name: counts.get(name, Count()) for name in STATES},
        tuple(sorted(names)),
        _relays_live(connection),
        _oldest_snapshot(connection),
    )


#: When a row is due; of one that is held for a pause, since when it is. See `deferred_signals.outbox.holding`.
_HELD_SINCE = f"CASE WHEN claimed_at IS NOT NULL AND {PAUSED} THEN claimed_at ELSE due_at END"


class _Row(NamedTuple):
    receiver: str
    attempt: int
    age: float


def _state_ahead(row: _Row) -> str:
    if row.age > 0:
        return "paused"
    return "retrying" if row.attempt else "waiting"


def _counted(
    connection: BaseDatabaseWrapper, where: Term, since: str, state_of: Callable[[_Row], str]
) -> dict[str, Count]:
    """Count rows by their states, up to `MOST` of them, those first that come first in an index."""
    found = _rows(connection, where, since)
    by_state: dict[str, list[_Row]] = {}
    for row in found[:MOST]:
        by_state.setdefault(state_of(row), []).append(row)
    return {
        state: Count(
            len(rows),
            len(found) > MOST,
            max(row.age for row in rows),
            dict(Counter(row.receiver for row in rows).most_common()),
        )
        for state, rows in by_state.items()
    }


def _rows(connection: BaseDatabaseWrapper, where: Term, since: str) -> list[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT receiver, attempt, {since} AS since FROM {TABLE} WHERE {where.sql} "
            f"ORDER BY {column_of(where)} LIMIT {MOST + 1:d}",
            where.values,
        )
        found = cursor.fetchall()
    now = time_of(connection)
    return [
        _Row(name, begun, (now - moment_of(connection, at)).total_seconds())
        for name, begun, at in found
    ]


def _relays_live(connection: BaseDatabaseWrapper) -> bool:
    """Return whether nothing that may be woken up has been due for longer than two leases."""
    past = dialect_of(connection).bound(-2 * conf.current().OUTBOX.LEASE)
    with connection.cursor() as cursor:
        for state in ("woken_at IS NULL", "woken_at IS NOT NULL"):
            cursor.execute(
                f"SELECT 1 FROM {TABLE} WHERE {state} AND due_at <= {past.sql} AND {NOT_PAUSED} "
                f"ORDER BY due_at LIMIT 1",
                past.values,
            )
            if cursor.fetchone() is not None:
                return False
    return True


def _oldest_snapshot(connection: BaseDatabaseWrapper) -> float | None:
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXTRACT(EPOCH FROM clock_timestamp() - min(began))::float8 FROM ("
            "SELECT xact_start AS began FROM pg_stat_activity WHERE backend_xmin IS NOT NULL "
            "AND datname = current_database() AND pid <> pg_backend_pid() "
            "UNION ALL SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()"
            ") AS snapshots"
        )
        (age,) = cursor.fetchone()
    return None if age is None else max(0.0, float(age))
