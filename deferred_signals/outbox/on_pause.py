"""Receivers that are paused: nothing of theirs is claimed or woken up until they are resumed.

Claims and relays ask in their own statements, so no process has to be told. A wake-up that comes
meanwhile brings no claim: its row is due at once, and relays hold it back (`deferred_signals.outbox.holding`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.outbox.dialects import dialect_of, places
from deferred_signals.outbox.models import PAUSES, TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["NOT_PAUSED", "PAUSED", "set_paused_aside"]

#: The conditions on a row of the table that its receiver is paused, and that it is not. PostgreSQL reads
#: the names once, and expects that some rows are left. Of a NOT EXISTS it expects none, and plans badly.
PAUSED = f"receiver IN (SELECT receiver FROM {PAUSES})"
NOT_PAUSED = f"receiver NOT IN (SELECT receiver FROM {PAUSES})"


def set_paused_aside(connection: BaseDatabaseWrapper, ids: Sequence[str], attempt: int) -> None:
    """Note that the wake-ups of rows are used up, where the receiver is paused.

    Arguments:
        connection: one in autocommit.
        ids: rows that were not there to be claimed.
        attempt: the runs that were begun before, as their wake-ups say.
    """
    dialect = dialect_of(connection)
    now = dialect.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET woken_at = NULL, due_at = {now.sql} WHERE id IN ({places(ids)}) "
            f"AND attempt = %s AND claimed_by IS NULL AND dead_at IS NULL AND {PAUSED}",
            [*now.values, *map(dialect.id, ids), attempt],
        )
