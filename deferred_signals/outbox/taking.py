"""Take rows that are due, so that a relay wakes up their receivers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.outbox.dialects import Term, dialect_of, places, text_of_id
from deferred_signals.outbox.models import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["Due", "take_due"]


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
        f"woken_at IS NULL AND due_at <= {now.sql} ORDER BY due_at LIMIT {most:d}", now.values
    )
    return _take(connection, which, dialect_of(connection).after(lease))


_TAKEN = "id, receiver, subject, options, attempt"


def _take(connection: BaseDatabaseWrapper, which: Term, due: Term) -> list[Due]:
    """Take rows in one short transaction: what is published meanwhile would hold up their senders."""
    dialect = dialect_of(connection)
    now, told = dialect.now(), dialect.seconds()
    lock = " FOR UPDATE SKIP LOCKED" if dialect.skips_locked else ""
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
    with _transaction(connection), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_TAKEN}, {told.sql} FROM {TABLE} WHERE {which.sql}{lock or ' FOR UPDATE'}",
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
def _transaction(connection: BaseDatabaseWrapper) -> Iterator[None]:
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
