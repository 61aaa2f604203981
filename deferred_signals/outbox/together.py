"""Claim the rows of a chunk together, and end together what is through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.outbox.changing import in_transaction
from deferred_signals.outbox.claims import change_of_claim, claimed_from, columns_of_claim
from deferred_signals.outbox.dialects import dialect_of, places, text_of_id
from deferred_signals.outbox.models import TABLE
from deferred_signals.outbox.on_pause import NOT_PAUSED, set_paused_aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.outbox.claims import Claimed

__all__ = ["claim_together", "give_back", "remove_together"]


def claim_together(
    connection: BaseDatabaseWrapper,
    ids: Sequence[str],
    attempt: int,
    receiver: str,
    owner: str,
    lease: float,
) -> dict[str, Claimed]:
    """Claim rows as `claims.claim` does each; return those that were there to be claimed.

    Arguments:
        connection: one in autocommit.
        ids: the rows'.
        attempt: the runs that were begun before: of a chunk's rows it is the same.
        receiver: whose task was woken up: no other task runs a receiver's rows.
        owner: names the process that runs them.
        lease: seconds after which they are free again, if nobody renews the claim.
    """
    dialect = dialect_of(connection)
    change, columns = change_of_claim(dialect, owner, lease), columns_of_claim(dialect)
    where = (
        f"id IN ({places(ids)}) AND attempt = %s AND receiver = %s AND dead_at IS NULL "
        f"AND {NOT_PAUSED}"
    )
    which = [*map(dialect.id, ids), attempt, receiver]
    if dialect.returns:
        with connection.cursor() as cursor:
            cursor.execute(
                f"{change.sql} WHERE {where} RETURNING id, {columns.sql}",
                [*change.values, *which, *columns.values],
            )
            found = cursor.fetchall()
    else:
        with in_transaction(connection), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, {columns.sql} FROM {TABLE} WHERE {where} FOR UPDATE",
                [*columns.values, *which],
            )
            found = cursor.fetchall()
            if found:
                taken = [row[0] for row in found]
                cursor.execute(
                    f"{change.sql} WHERE id IN ({places(taken)})", [*change.values, *taken]
                )
    claimed = {text_of_id(id_): claimed_from(row) for id_, *row in found}
    if others := [id_ for id_ in ids if id_ not in claimed]:
        set_paused_aside(connection, others, attempt)
    return claimed


def remove_together(
    connection: BaseDatabaseWrapper, ids: Sequence[str], dead: str | None = None
) -> int:
    """Remove rows that are through; return how many there were.

    Arguments:
        connection: of the rows' database.
        ids: the rows'.
        dead: the process that died after their runs, if one did; only its own claims end.
    """
    dialect = dialect_of(connection)
    where, values = f"id IN ({places(ids)})", [*map(dialect.id, ids)]
    if dead is not None:
        where, values = f"{where} AND claimed_by = %s", [*values, dead]
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE {where}", values)
        return int(cursor.rowcount)


def give_back(
    connection: BaseDatabaseWrapper, ids: Sequence[str], attempt: int, owner: str
) -> None:
    """Let rows be claimed again whose runs had not begun: nothing is charged.

    Arguments:
        connection: of the rows' database.
        ids: the rows'.
        attempt: the runs that were begun before the claim.
        owner: the process that had claimed them, or was about to.
    """
    dialect = dialect_of(connection)
    now = dialect.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET attempt = %s, woken_at = NULL, due_at = {now.sql}, "
            f"claimed_by = NULL, claimed_at = NULL, running_key = NULL "
            f"WHERE id IN ({places(ids)}) AND dead_at IS NULL "
            f"AND (attempt = %s OR (attempt = %s AND claimed_by = %s))",
            [attempt, *now.values, *map(dialect.id, ids), attempt, attempt + 1, owner],
        )
