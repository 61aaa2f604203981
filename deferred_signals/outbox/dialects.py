"""What the databases write in different ways: the time, ids, and how rows are taken and returned.

All times are the database's own, in UTC: the clocks of senders and workers may differ. SQLite has no
server, and three decimals only, so there Python's clock is a parameter. A connection to it may bring
another one, as simulations do.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.timezone import get_default_timezone, is_naive, make_aware

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = [
    "LONGEST_WAIT",
    "VENDORS",
    "Dialect",
    "Term",
    "dialect_of",
    "moment_of",
    "places",
    "text_of_id",
    "time_of",
]

#: Seconds that a row waits at most, as databases know no later time than the year 9999.
LONGEST_WAIT = 100 * 366 * 86_400.0


class Term(NamedTuple):
    """A piece of SQL, with its parameters."""

    sql: str
    values: tuple[Any, ...] = ()


class Dialect:
    """How one kind of database writes what the outbox asks of it; this one is PostgreSQL.

    Attributes:
        returns: an UPDATE can return columns.
        returns_inserted: an INSERT can.
        reads_json: an INSERT can take its rows from one JSON text, and is faster so.
        skips_locked: a SELECT can take the rows that no other transaction has locked.
        unless_there: ends an INSERT that leaves alone what is there under the same key.
    """

    returns = True
    reads_json = True
    skips_locked = True
    unless_there = "ON CONFLICT (id) DO NOTHING"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.returns_inserted = connection.features.can_return_rows_from_bulk_insert
        self._has_uuids = connection.features.has_native_uuid_field

    def now(self) -> Term:
        """Tell the time of the statement; a transaction's own would be that of its beginning."""
        return Term("clock_timestamp()")

    def seconds(self) -> Term:
        """Tell the time of the statement, in seconds since the epoch."""
        return Term("EXTRACT(EPOCH FROM clock_timestamp())::float8")

    def after(self, seconds: float) -> Term:
        """Tell a time in some seconds."""
        return Term("clock_timestamp() + %s * interval '1 second'", (seconds,))

    def bound(self, seconds: float = 0.0) -> Term:
        """Tell a time in some seconds that a column is compared with.

        The others are asked anew for each row, so that PostgreSQL would use no index for them. This one
        is the time at which the statement began.
        """
        return Term("statement_timestamp() + %s * interval '1 second'", (seconds,))

    def seconds_since(self, column: str) -> Term:
        """Count the seconds since the time in a column."""
        return Term(f"EXTRACT(EPOCH FROM clock_timestamp() - {column})::float8")

    def contains(self, column: str, text: str) -> Term:
        """Tell whether a text is part of what a column holds; upper and lower case differ."""
        return Term(f"strpos({column}, %s) > 0", (text,))

    def moment(self, moment: datetime) -> Any:
        """Make a parameter of a moment; one without a zone is of Django's own zone."""
        return _in_utc(moment)

    def id(self, text: str) -> Any:
        """Make a parameter of an id."""
        return UUID(text)


class MySQL(Dialect):
    """MySQL and MariaDB. ``NOW()`` would be in the session's time zone."""

    returns = False
    reads_json = False
    unless_there = "ON DUPLICATE KEY UPDATE id = id"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        self.skips_locked = connection.features.has_select_for_update_skip_locked

    def now(self) -> Term:
        return Term("UTC_TIMESTAMP(6)")

    def seconds(self) -> Term:
        return Term("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6")

    def after(self, seconds: float) -> Term:
        return Term("UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND", (round(seconds * 1e6),))

    def bound(self, seconds: float = 0.0) -> Term:
        return self.after(seconds)

    def seconds_since(self, column: str) -> Term:
        return Term(f"TIMESTAMPDIFF(MICROSECOND, {column}, UTC_TIMESTAMP(6)) / 1e6")

    def contains(self, column: str, text: str) -> Term:
        return Term(f"instr({column}, %s) > 0", (text,))

    def moment(self, moment: datetime) -> Any:
        return _in_utc(moment).replace(tzinfo=None)

    def id(self, text: str) -> Any:
        id_ = UUID(text)
        return str(id_) if self._has_uuids else id_.hex


class SQLite(Dialect):
    """SQLite: one writer at a time, and texts for times, which compare like times."""

    reads_json = False
    skips_locked = False

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        self.returns = self.returns_inserted
        self._clock: Callable[[], float] = getattr(connection, "clock", time)

    def now(self) -> Term:
        return self.after(0)

    def seconds(self) -> Term:
        return Term("%s", (self._clock(),))

    def after(self, seconds: float) -> Term:
        return Term("%s", (self.moment(self._now() + timedelta(seconds=seconds)),))

    def bound(self, seconds: float = 0.0) -> Term:
        return self.after(seconds)

    def seconds_since(self, column: str) -> Term:
        now = self.moment(self._now())
        return Term(f"(julianday(%s) - julianday({column})) * 86400.0", (now,))

    def contains(self, column: str, text: str) -> Term:
        return Term(f"instr({column}, %s) > 0", (text,))

    def moment(self, moment: datetime) -> Any:
        return _in_utc(moment).strftime("%Y-%m-%d %H:%M:%S.%f")

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def id(self, text: str) -> Any:
        return UUID(text).hex


_KINDS: dict[str, type[Dialect]] = {"postgresql": Dialect, "mysql": MySQL, "sqlite": SQLite}

#: The kinds of databases that the outbox works on, as Django names them.
VENDORS = frozenset(_KINDS)


def dialect_of(connection: BaseDatabaseWrapper) -> Dialect:
    """Return the dialect of a connection's database.

    Raises:
        NotImplementedError: the outbox knows no such database.
    """
    try:
        kind = _KINDS[connection.vendor]
    except KeyError:
        raise NotImplementedError(
            f"The outbox works on PostgreSQL, MySQL, MariaDB and SQLite, not on {connection.vendor}."
        ) from None
    return kind(connection)


def text_of_id(value: Any) -> str:
    """Return an id as messages write it, from what a driver returns."""
    return str(value if isinstance(value, UUID) else UUID(str(value)))


def moment_of(connection: BaseDatabaseWrapper, value: Any) -> datetime:
    """Return a time of the table's, from what a driver returns.

    Without a zone it is in UTC, as the columns of most databases are. PostgreSQL's have a zone, and with
    ``USE_TZ = False`` Django takes it away from times in the zone of the session.
    """
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    if is_naive(moment):
        is_local = connection.vendor == "postgresql"
        moment = moment.replace(tzinfo=ZoneInfo(connection.timezone_name) if is_local else UTC)
    return moment.astimezone(UTC)


def time_of(connection: BaseDatabaseWrapper) -> datetime:
    """Ask a database for its time."""
    now = dialect_of(connection).now()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {now.sql}", now.values)
        (found,) = cursor.fetchone()
    return moment_of(connection, found)


def _in_utc(moment: datetime) -> datetime:
    aware = make_aware(moment, get_default_timezone()) if is_naive(moment) else moment
    return aware.astimezone(UTC)


def places(values: Sequence[Any]) -> str:
    """Write places for some parameters."""
    return ", ".join(["%s"] * len(values))
