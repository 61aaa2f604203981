"""Take rows that are due, so that a relay wakes up their receivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.outbox.changing import change
from deferred_signals.outbox.dialects import Term, dialect_of, places, text_of_id
from deferred_signals.outbox.models import TABLE
from deferred_signals.outbox.on_pause import NOT_PAUSED
from deferred_signals.outbox.turns import BLOCKED, earliest_aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = [
    "Due",
    "Overdue",
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
    now = dialect_of(connection).bound()
    which = Term(
        f"woken_at IS NULL AND due_at <= {now.sql} AND (order_key IS NULL OR NOT {BLOCKED}) "
        f"AND {NOT_PAUSED} "
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
    now, told = dialect.bound(), dialect.seconds()
    woken, due = dialect.seconds_since("woken_at"), dialect.seconds_since("due_at")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_TAKEN}, {told.sql}, {woken.sql}, {due.sql} FROM {TABLE} "
            f"WHERE woken_at IS NOT NULL AND due_at <= {now.sql} AND {NOT_PAUSED} "
            f"ORDER BY due_at LIMIT {most:d}",
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
        f"id = %s AND claimed_by IS NULL AND claimed_at IS NOT NULL AND dead_at IS NULL "
        f"AND {NOT_PAUSED}",
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
    now = dialect.bound()
    which = Term(
        f"id IN ({places(ids)}) AND woken_at IS NOT NULL AND due_at <= {now.sql}",
        (*map(dialect.id, ids), *now.values),
    )
    return _take(connection, which, dialect.after(patience))


def set_on_woken(connection: BaseDatabaseWrapper, ids: Sequence[str], patience: float) -> None:
    """Wait longer for wake-ups that seem to wait in a queue."""
    dialect = dialect_of(connection)
    due, now = dialect.after(patience), dialect.bound()
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
    values = Term(
        f"woken_at = {now.sql}, due_at = {due.sql}, claimed_by = NULL, claimed_at = NULL, "
        f"running_key = NULL",
        (*now.values, *due.values),
    )
    columns = Term(f"{_TAKEN}, {told.sql}", told.values)
    return [_due(row) for row in change(connection, values, which, columns)]


def _due(row: Sequence[Any]) -> Due:
    id_, receiver, subject, options, attempt, at = row
    return Due(text_of_id(id_), receiver, subject, options, attempt, float(at))
