"""Take rows that are due, so that a relay wakes up their receivers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.outbox.dialects import Term, dialect_of, places, text_of_id
from deferred_signals.outbox.models import TABLE
from deferred_signals.outbox.turns import BLOCKED, earliest_aside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = [
    "Due",
    "Overdue",
    "in_transaction",
    "look_for_overdue",
    "set_back",
    "set_on_woken",
    "take_aside",
    "take_due",
    "take_overdue",
]


class Due(NamedTuple):
    """A row that a relay wakes up.

    Attributes:
        id: the message's.
        receiver: the receiver's name.
        subject: label and key of the first row that it refers to.
        options: JSON of what it is published with beside its receiver's own options.
        attempt: the runs that were begun so far.
        at: when it was taken, by the database's clock, in seconds since the epoch.
    """

    id: str
    receiver: str
    subject: str
    options: str
    attempt: int
    at: float


def take_due(connection: BaseDatabaseWrapper, most: int, lease: float) -> list[Due]:
    """Take rows that are due and not woken, and note that a wake-up is on its way for each.

    Arguments:
        connection: one in autocommit.
        most: how many at a time.
        lease: seconds until a wake-up that brought no claim is looked for.
    """
    now = dialect_of(connection).now()
    which = Term(
        f"woken_at IS NULL AND due_at <= {now.sql} AND (order_key IS NULL OR NOT {BLOCKED}) "
        f"ORDER BY due_at LIMIT {most:d}",
        now.values,
    )
    return _take(connection, which, dialect_of(connection).after(lease))


class Overdue(NamedTuple):
    """A row whose wake-up has brought no claim in time.

    Attributes:
        row: the row.
        patience: seconds that it was waited for.
        since: seconds since the wake-up was published.
    """

    row: Due
    patience: float
    since: float


def look_for_overdue(connection: BaseDatabaseWrapper, most: int) -> list[Overdue]:
    """List rows whose wake-ups wait in a queue for longer than expected, or were lost."""
    dialect = dialect_of(connection)
    now, told = dialect.now(), dialect.seconds()
    woken, due = dialect.seconds_since("woken_at"), dialect.seconds_since("due_at")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_TAKEN}, {told.sql}, {woken.sql}, {due.sql} FROM {TABLE} "
            f"WHERE woken_at IS NOT NULL AND due_at <= {now.sql} ORDER BY due_at LIMIT {most:d}",
            [*told.values, *woken.values, *due.values, *now.values],
        )
        found = cursor.fetchall()
    return [
        Overdue(_due(row), float(since) - float(overdue), float(since))
        for *row, since, overdue in found
    ]


def take_aside(connection: BaseDatabaseWrapper, order_key: str, lease: float) -> list[Due]:
    """Take the row whose turn it is, if it was set aside."""
    id_ = earliest_aside(connection, order_key)
    if id_ is None:
        return []
    dialect = dialect_of(connection)
    which = Term(
        "id = %s AND claimed_by IS NULL AND claimed_at IS NOT NULL AND dead_at IS NULL",
        (dialect.id(id_),),
    )
    return _take(connection, which, dialect.after(lease))


def take_overdue(connection: BaseDatabaseWrapper, ids: Sequence[str], patience: float) -> list[Due]:
    """Take rows whose wake-ups were lost, but those that somebody took or claimed meanwhile.

    Arguments:
        connection: one in autocommit.
        ids: the rows'.
        patience: seconds until their next wake-up is looked for.
    """
    dialect = dialect_of(connection)
    now = dialect.now()
    which = Term(
        f"id IN ({places(ids)}) AND woken_at IS NOT NULL AND due_at <= {now.sql}",
        (*map(dialect.id, ids), *now.values),
    )
    return _take(connection, which, dialect.after(patience))


def set_on_woken(connection: BaseDatabaseWrapper, ids: Sequence[str], patience: float) -> None:
    """Wait longer for wake-ups that seem to wait in a queue."""
    dialect = dialect_of(connection)
    due, now = dialect.after(patience), dialect.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET due_at = {due.sql} WHERE id IN ({places(ids)}) "
            f"AND woken_at IS NOT NULL AND due_at <= {now.sql}",
            [*due.values, *map(dialect.id, ids), *now.values],
        )


def set_back(connection: BaseDatabaseWrapper, ids: Sequence[str], wait: float) -> None:
    """Let rows wait whose wake-ups could not be published."""
    dialect = dialect_of(connection)
    due = dialect.after(wait)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET due_at = {due.sql}, woken_at = NULL "
            f"WHERE id IN ({places(ids)}) AND woken_at IS NOT NULL",
            [*due.values, *map(dialect.id, ids)],
        )


_TAKEN = "id, receiver, subject, options, attempt"


def _take(connection: BaseDatabaseWrapper, which: Term, due: Term) -> list[Due]:
    """Take rows in one short transaction: what is published meanwhile would hold up their senders."""
    dialect = dialect_of(connection)
    now, told = dialect.now(), dialect.seconds()
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    lock += " SKIP LOCKED" if dialect.skips_locked else ""
    change = (
        f"UPDATE {TABLE} SET woken_at = {now.sql}, due_at = {due.sql}, claimed_by = NULL, "
        f"claimed_at = NULL, running_key = NULL"
    )
    changes = [*now.values, *due.values]
    if dialect.returns:
        # PostgreSQL may look for an IN's rows more than once; an array's it takes once.
        among = "= ANY(ARRAY({}))" if connection.vendor == "postgresql" else "IN ({})"
        rows = among.format(f"SELECT id FROM {TABLE} WHERE {which.sql}{lock}")
        with connection.cursor() as cursor:
            cursor.execute(
                f"{change} WHERE id {rows} RETURNING {_TAKEN}, {told.sql}",
                [*changes, *which.values, *told.values],
            )
            return [_due(row) for row in cursor.fetchall()]
    with in_transaction(connection), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_TAKEN}, {told.sql} FROM {TABLE} WHERE {which.sql}{lock}",
            [*told.values, *which.values],
        )
        found = cursor.fetchall()
        if found:
            ids = [row[0] for row in found]
            cursor.execute(f"{change} WHERE id IN ({places(ids)})", [*changes, *ids])
    return [_due(row) for row in found]


def _due(row: Sequence[Any]) -> Due:
    id_, receiver, subject, options, attempt, at = row
    return Due(text_of_id(id_), receiver, subject, options, attempt, float(at))


@contextmanager
def in_transaction(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Run a block in a transaction of a connection that Django's ``atomic()`` does not know."""
    connection.set_autocommit(False)
    try:
        yield
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.set_autocommit(True)
