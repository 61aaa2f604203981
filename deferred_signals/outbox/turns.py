"""Turns: rows of one order are claimed one after another, the earliest living one first.

A row that retries, or waits, holds those behind it up; a dead one does not. The unique index on
``running_key`` makes a second running row of an order impossible, also for two claims at one moment.

A row whose wake-up comes too early is *set aside*: its ``claimed_at`` is noted without a ``claimed_by``.
Whoever ends the row before it wakes it up. A relay does, if that is missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError

from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.dialects import dialect_of, places, text_of_id
from deferred_signals.outbox.models import TABLE

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.wakeup import WakeUp
    from deferred_signals.outbox.claims import Claimed

__all__ = ["BLOCKED", "claim_in_turn", "earliest_aside", "set_blocked_on"]

#: The condition on a row of the table that an earlier one of its order lives.
BLOCKED = (
    f"EXISTS (SELECT 1 FROM {TABLE} earlier WHERE earlier.order_key = {TABLE}.order_key "
    f"AND earlier.dead_at IS NULL AND (earlier.created_at < {TABLE}.created_at "
    f"OR (earlier.created_at = {TABLE}.created_at AND (earlier.position < {TABLE}.position "
    f"OR (earlier.position = {TABLE}.position AND earlier.id < {TABLE}.id)))))"
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


def set_blocked_on(connection: BaseDatabaseWrapper, most: int, lease: float) -> None:
    """Let rows wait longer that are due, and whose turn it is not."""
    dialect = dialect_of(connection)
    now, due = dialect.now(), dialect.after(lease)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {TABLE} WHERE woken_at IS NULL AND due_at <= {now.sql} "
            f"AND order_key IS NOT NULL AND claimed_by IS NULL AND {BLOCKED} LIMIT {most:d}",
            now.values,
        )
        ids = [row[0] for row in cursor.fetchall()]
        if ids:
            cursor.execute(
                f"UPDATE {TABLE} SET due_at = {due.sql}, claimed_at = {now.sql} "
                f"WHERE id IN ({places(ids)}) AND woken_at IS NULL AND claimed_by IS NULL",
                [*due.values, *now.values, *ids],
            )
