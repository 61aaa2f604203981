"""Hold the rows of paused receivers back, so that relays do not read them at each look.

A pause may last, and the rows that are due meanwhile may be many. So relays *hold* them: such a row is
due `HELD` later, and its ``claimed_at``, without a ``claimed_by``, is when it was due before. The end of
the pause makes it due at once.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from deferred_signals.outbox.changing import in_transaction
from deferred_signals.outbox.dialects import Term, dialect_of, moment_of, places
from deferred_signals.outbox.models import PAUSES, TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["BATCH", "hold_paused", "release_held"]

#: Seconds after which a row is held anew, if the pause goes on.
HELD = 3600.0

#: Rows of one statement, and statements of one look.
BATCH, MOST_BATCHES = 1000, 10


def hold_paused(connection: BaseDatabaseWrapper) -> bool:
    """Hold what is due of paused receivers; return whether there may be more.

    Arguments:
        connection: one in autocommit.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT receiver FROM {PAUSES}")
        names = [row[0] for row in cursor.fetchall()]
    if not names:
        return False
    for _ in range(MOST_BATCHES):
        ids = _due(connection, names)
        if ids and not _hold(connection, ids):
            return False  # another relay does it just now
        if len(ids) < BATCH:
            return False
    return True


def _due(connection: BaseDatabaseWrapper, names: Sequence[str]) -> list[Any]:
    dialect = dialect_of(connection)
    now = dialect.bound()
    ids: list[Any] = []
    with connection.cursor() as cursor:
        for state in ("woken_at IS NULL", "woken_at IS NOT NULL"):  # with an index for each
            cursor.execute(
                f"SELECT id FROM {TABLE} WHERE {state} AND due_at <= {now.sql} "
                f"AND receiver IN ({places(names)}) ORDER BY due_at LIMIT {BATCH - len(ids):d}",
                [*now.values, *names],
            )
            ids += [row[0] for row in cursor.fetchall()]
    return ids


def _hold(connection: BaseDatabaseWrapper, ids: Sequence[Any]) -> bool:
    """Hold rows whose receivers are still paused; return whether this process may do it.

    The pauses are locked meanwhile. Else a pause might end just now, and its rows be held all the same.
    """
    dialect = dialect_of(connection)
    due, now = dialect.after(HELD), dialect.bound()
    locks = connection.features.has_select_for_update
    skip = " SKIP LOCKED" if dialect.skips_locked else ""
    with in_transaction(connection) if locks else nullcontext(), connection.cursor() as cursor:
        paused = Term(f"SELECT receiver FROM {PAUSES}")
        if locks:
            cursor.execute(f"SELECT receiver FROM {PAUSES} FOR UPDATE{skip}")
            names = [row[0] for row in cursor.fetchall()]
            if not names:
                return False
            paused = Term(places(names), tuple(names))
        # MySQL sets one column after another, and reads those that it has set.
        cursor.execute(
            f"UPDATE {TABLE} SET claimed_at = CASE WHEN claimed_by IS NULL AND claimed_at IS NOT NULL "
            f"THEN claimed_at ELSE due_at END, claimed_by = NULL, running_key = NULL, woken_at = NULL, "
            f"due_at = {due.sql} WHERE id IN ({places(ids)}) AND due_at <= {now.sql} "
            f"AND receiver IN ({paused.sql})",
            [*due.values, *ids, *now.values, *paused.values],
        )
    return True


def release_held(connection: BaseDatabaseWrapper, receiver: str) -> None:
    """Make the rows of a receiver due that were held: its pause is over."""
    dialect = dialect_of(connection)
    first, last, now = dialect.bound(), dialect.bound(HELD), dialect.now()
    is_last = False
    while not is_last:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, due_at FROM {TABLE} WHERE woken_at IS NULL AND due_at >= {first.sql} "
                f"AND due_at <= {last.sql} AND receiver = %s AND claimed_by IS NULL "
                f"AND claimed_at IS NOT NULL ORDER BY due_at LIMIT {BATCH:d}",
                [*first.values, *last.values, receiver],
            )
            found = cursor.fetchall()
            if ids := [id_ for id_, _due_at in found]:
                cursor.execute(
                    f"UPDATE {TABLE} SET due_at = {now.sql} WHERE id IN ({places(ids)}) "
                    f"AND woken_at IS NULL AND claimed_by IS NULL AND dead_at IS NULL",
                    [*now.values, *ids],
                )
                first = Term("%s", (dialect.moment(moment_of(connection, found[-1][1])),))
        is_last = len(found) < BATCH
