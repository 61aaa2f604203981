"""End claims: the row goes, waits for its next run, is dead, or is set on for another process.

Each change names the claim that it ends, and so changes nothing where the row has another one by now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.outbox.dialects import LONGEST_WAIT, Term, dialect_of
from deferred_signals.outbox.models import TABLE

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["Holder", "bury", "remove", "retry", "set_on", "was_ended"]


class Holder(NamedTuple):
    """Whose claim a change of a row is for.

    Attributes:
        attempt: the run that ended.
        dead: the process that died, if one did: its run counts, though it may never have claimed the
            row, and a row that another process claimed is left alone.
        is_unclaimed: nobody has the row: its lease was over, and a wake-up is out.
    """

    attempt: int
    dead: str | None = None
    is_unclaimed: bool = False

    @property
    def before(self) -> int:
        """Return how many runs were begun, if this one does not count."""
        return self.attempt if self.is_unclaimed else self.attempt - 1

    @property
    def where(self) -> Term:
        """Return the condition that the claim is still this one."""
        if self.is_unclaimed:
            return Term(
                "attempt = %s AND woken_at IS NOT NULL AND dead_at IS NULL", (self.attempt,)
            )
        if self.dead is None:
            return Term("attempt = %s AND dead_at IS NULL", (self.attempt,))
        return Term(
            "(attempt = %s OR (attempt = %s AND claimed_by = %s)) AND dead_at IS NULL",
            (self.attempt - 1, self.attempt, self.dead),
        )


def remove(connection: BaseDatabaseWrapper, id_: str, attempt: int | None) -> bool:
    """Remove a row that is through; return whether it was there.

    Arguments:
        connection: of the row's database.
        id_: the row's.
        attempt: the run that ended; None: the row is removed whatever run it is at.
    """
    dialect = dialect_of(connection)
    where, values = "id = %s", [dialect.id(id_)]
    if attempt is not None:
        where, values = f"{where} AND attempt = %s", [*values, attempt]
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE {where}", values)
        return bool(cursor.rowcount)


def retry(
    connection: BaseDatabaseWrapper, id_: str, holder: Holder, wait: float, error: str
) -> bool:
    """Let a row wait for its next run; return whether the claim was still the holder's."""
    due = dialect_of(connection).after(min(wait, LONGEST_WAIT))
    return _end(connection, id_, holder, Term(f"due_at = {due.sql}", due.values), error)


def was_ended(connection: BaseDatabaseWrapper, id_: str, attempt: int) -> bool:
    """Return whether a row is gone, or dead since one of its runs.

    Arguments:
        connection: of the row's database.
        id_: the row's.
        attempt: the run.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT attempt, dead_at FROM {TABLE} WHERE id = %s", [dialect_of(connection).id(id_)]
        )
        found = cursor.fetchone()
    return found is None or (found[0] == attempt and found[1] is not None)


def bury(
    connection: BaseDatabaseWrapper, id_: str, holder: Holder, error: str, *, counts: bool = True
) -> bool:
    """Make a row a dead letter; return whether the claim was still the holder's.

    Arguments:
        connection: of the row's database.
        id_: the row's.
        holder: whose claim it was.
        error: what the row tells of its failures.
        counts: whether the claim brought a run.
    """
    now = dialect_of(connection).now()
    change = Term(f"due_at = NULL, dead_at = {now.sql}", now.values)
    return _end(connection, id_, holder, change, error, None if counts else holder.before)


def _end(
    connection: BaseDatabaseWrapper,
    id_: str,
    holder: Holder,
    change: Term,
    error: str,
    attempt: int | None = None,
) -> bool:
    where, begun = holder.where, holder.attempt if attempt is None else attempt
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET {change.sql}, attempt = %s, error = %s, woken_at = NULL, "
            f"claimed_by = NULL, claimed_at = NULL, running_key = NULL WHERE id = %s AND {where.sql}",
            [*change.values, begun, error, dialect_of(connection).id(id_), *where.values],
        )
        return bool(cursor.rowcount)


def set_on(
    connection: BaseDatabaseWrapper, id_: str, holder: Holder, wait: float, error: str
) -> bool:
    """Let a row wait that this process cannot run: no run of it counts.

    Arguments:
        connection: of the row's database.
        id_: the row's.
        holder: who could not run it.
        wait: seconds until somebody looks at it again.
        error: what is not known.
    """
    due = dialect_of(connection).after(wait)
    change = Term(f"due_at = {due.sql}", due.values)
    return _end(connection, id_, holder, change, error, holder.before)
