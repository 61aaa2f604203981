"""Turns: rows of one order are claimed one after another, the earliest living one first.

A row that retries, or waits, holds those behind it up; a dead one does not. The unique index on
``running_key`` makes a second running row of an order impossible, also for two claims at one moment.

A row whose wake-up comes too early is *set aside*: its ``claimed_at`` is noted without a ``claimed_by``.
Whoever ends the row before it wakes it up. A relay does, if that is missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError

from deferred_signals.outbox.changing import change
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.dialects import Term, dialect_of, text_of_id
from deferred_signals.outbox.models import TABLE

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.wakeup import WakeUp
    from deferred_signals.outbox.claims import Claimed

__all__ = ["BLOCKED", "claim_in_turn", "earliest_aside", "hasten_next", "set_blocked_on"]

#: The condition on a row of the table that an earlier one of its order lives. The subquery is ordered as the
#: index is, so it reads one entry. An EXISTS may become a join of all rows of a key with one another.
BLOCKED = (
    f"{TABLE}.id <> (SELECT first.id FROM {TABLE} first WHERE first.order_key = {TABLE}.order_key "
    f"AND first.dead_at IS NULL ORDER BY first.created_at, first.position, first.id LIMIT 1)"
)


def claim_in_turn(
    connection: BaseDatabaseWrapper, wake_up: WakeUp, receiver: str, owner: str, lease: float
) -> Claimed | None:
    """Claim a row as `claim` does, if it is its turn; else set it aside."""
    id_, attempt = wake_up.id, wake_up.attempt
    if _is_blocked(connection, id_):
        if not _set_aside(connection, id_, attempt, lease):
            return None
        if _is_blocked(connection, id_):  # else the row before has ended just now, and woke nobody
            return None
    try:
        return claim(connection, wake_up, receiver, owner, lease)
    except IntegrityError:  # a run of the row before has lost its lease, and goes on
        _set_aside(connection, id_, attempt, lease)
        return None


def _is_blocked(connection: BaseDatabaseWrapper, id_: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM {TABLE} WHERE id = %s AND {BLOCKED}", [dialect_of(connection).id(id_)]
        )
        return cursor.fetchone() is not None


def _set_aside(connection: BaseDatabaseWrapper, id_: str, attempt: int, lease: float) -> bool:
    dialect = dialect_of(connection)
    now, due = dialect.now(), dialect.after(lease)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET woken_at = NULL, due_at = {due.sql}, claimed_at = {now.sql} "
            f"WHERE id = %s AND attempt = %s AND claimed_by IS NULL AND dead_at IS NULL",
            [*due.values, *now.values, dialect.id(id_), attempt],
        )
        return bool(cursor.rowcount)


def earliest_aside(connection: BaseDatabaseWrapper, order_key: str) -> str | None:
    """Return the id of the row whose turn it is, if it was set aside."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, claimed_by, claimed_at FROM {TABLE} WHERE order_key = %s "
            f"AND dead_at IS NULL ORDER BY created_at, position, id LIMIT 1",
            [order_key],
        )
        found: Any = cursor.fetchone()
    if found is None or found[1] is not None or found[2] is None:
        return None
    return text_of_id(found[0])


def hasten_next(connection: BaseDatabaseWrapper, order_key: str) -> None:
    """Let a relay wake up the row whose turn it is, if it was set aside: the one before is gone."""
    id_ = earliest_aside(connection, order_key)
    if id_ is None:
        return
    dialect = dialect_of(connection)
    now = dialect.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET due_at = {now.sql} WHERE id = %s AND woken_at IS NULL "
            f"AND claimed_by IS NULL AND claimed_at IS NOT NULL AND dead_at IS NULL",
            [*now.values, dialect.id(id_)],
        )


#: Statements of one call of `set_blocked_on`.
MOST_BATCHES = 20


def set_blocked_on(connection: BaseDatabaseWrapper, most: int, lease: float) -> None:
    """Let rows wait for a lease that are due, and whose turn it is not.

    `take_due` reads past each such row that is left. So one call sees to as many as `MOST_BATCHES` allows.

    Arguments:
        connection: one in autocommit.
        most: rows of one statement.
        lease: seconds that they wait.
    """
    for _ in range(MOST_BATCHES):
        if _set_blocked_on(connection, most, lease) < most:
            return


def _set_blocked_on(connection: BaseDatabaseWrapper, most: int, lease: float) -> int:
    dialect = dialect_of(connection)
    bound, now, due = dialect.bound(), dialect.now(), dialect.after(lease)
    values = Term(f"due_at = {due.sql}, claimed_at = {now.sql}", (*due.values, *now.values))
    which = Term(
        f"woken_at IS NULL AND due_at <= {bound.sql} AND order_key IS NOT NULL "
        f"AND claimed_by IS NULL AND {BLOCKED} ORDER BY due_at LIMIT {most:d}",
        bound.values,
    )
    return len(change(connection, values, which, Term("id")))
