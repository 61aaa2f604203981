"""Claim rows, renew claims, and end them.

Whatever changes a row that somebody claimed names the claim: the row's ``attempt``, which each claim
raises by one. So whoever comes late changes nothing. Each change is one statement, and is committed by
itself, except for the end of an ``atomic=True`` run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.outbox.dialects import Term, dialect_of, places
from deferred_signals.outbox.models import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper

__all__ = [
    "Claimed",
    "Found",
    "Holder",
    "bury",
    "claim",
    "find",
    "remove",
    "renew",
    "retry",
    "set_on",
]


class Claimed(NamedTuple):
    """A row that was claimed.

    Attributes:
        receiver: the receiver's name, as it was when the row was written.
        payload: the message's text, as it was sent.
        error: what it tells of earlier failures.
        age: seconds since the row was written, by the database's clock.
        left: seconds until it expires; None where it does not.
        order_key: rows with equal keys run one after another; None: it waits for no other.
    """

    receiver: str
    payload: str
    error: str
    age: float
    left: float | None
    order_key: str | None = None


class Found(NamedTuple):
    """A row that was only looked at.

    Attributes:
        receiver: the receiver's name.
        payload: the message's text, as it was sent.
        error: what it tells of earlier failures.
        attempt: the runs that were begun.
        age: seconds since the row was written, by the database's clock.
        order_key: rows with equal keys run one after another; None: it waits for no other.
    """

    receiver: str
    payload: str
    error: str
    attempt: int
    age: float
    order_key: str | None = None


def claim(
    connection: BaseDatabaseWrapper, id_: str, attempt: int, owner: str, lease: float
) -> Claimed | None:
    """Claim a row for a run; return None where it is not there to be claimed.

    Arguments:
        connection: one in autocommit, so that the claim is committed before the run.
        id_: the row's.
        attempt: the runs that were begun before, as the wake-up says.
        owner: names the process that runs it.
        lease: seconds after which the row is free again, if nobody renews the claim.

    Raises:
        django.db.IntegrityError: another row of the same order runs.
    """
    dialect = dialect_of(connection)
    now, due = dialect.now(), dialect.after(lease)
    age, left = dialect.seconds_since("created_at"), dialect.seconds_since("expires_at")
    update = (
        f"UPDATE {TABLE} SET attempt = attempt + 1, woken_at = NULL, due_at = {due.sql}, "
        f"claimed_by = %s, claimed_at = {now.sql}, running_key = order_key "
        f"WHERE id = %s AND attempt = %s AND dead_at IS NULL"
    )
    values = [*due.values, owner, *now.values, dialect.id(id_), attempt]
    columns = f"receiver, payload, error, order_key, {age.sql}, {left.sql}"
    told = [*age.values, *left.values]
    with connection.cursor() as cursor:
        if dialect.returns:
            cursor.execute(f"{update} RETURNING {columns}", [*values, *told])
            return _claimed(cursor)
        cursor.execute(update, values)
        if not cursor.rowcount:
            return None
        cursor.execute(
            f"SELECT {columns} FROM {TABLE} WHERE id = %s AND attempt = %s AND claimed_by = %s",
            [*told, dialect.id(id_), attempt + 1, owner],
        )
        return _claimed(cursor)


def _claimed(cursor: CursorWrapper) -> Claimed | None:
    found = cursor.fetchone()
    if found is None:
        return None
    receiver, payload, error, order_key, age, since = found
    left = None if since is None else -float(since)
    return Claimed(receiver, payload, error, float(age), left, order_key)


def find(connection: BaseDatabaseWrapper, id_: str) -> Found | None:
    """Look at a row that is not dead."""
    dialect = dialect_of(connection)
    age = dialect.seconds_since("created_at")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT receiver, payload, error, attempt, order_key, {age.sql} FROM {TABLE} "
            f"WHERE id = %s AND dead_at IS NULL",
            [*age.values, dialect.id(id_)],
        )
        found = cursor.fetchone()
    if found is None:
        return None
    receiver, payload, error, attempt, order_key, seconds = found
    return Found(receiver, payload, error, attempt, float(seconds), order_key)


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


def retry(
    connection: BaseDatabaseWrapper, id_: str, holder: Holder, wait: float, error: str
) -> bool:
    """Let a row wait for its next run; return whether the claim was still the holder's."""
    due = dialect_of(connection).after(wait)
    return _end(connection, id_, holder, Term(f"due_at = {due.sql}", due.values), error)


def bury(connection: BaseDatabaseWrapper, id_: str, holder: Holder, error: str) -> bool:
    """Make a row a dead letter; return whether the claim was still the holder's."""
    now = dialect_of(connection).now()
    return _end(
        connection, id_, holder, Term(f"due_at = NULL, dead_at = {now.sql}", now.values), error
    )


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
    before = holder.attempt if holder.is_unclaimed else holder.attempt - 1
    due = dialect_of(connection).after(wait)
    change = Term(f"due_at = {due.sql}", due.values)
    return _end(connection, id_, holder, change, error, attempt=before)


def renew(connection: BaseDatabaseWrapper, running: Sequence[tuple[str, str]], lease: float) -> int:
    """Renew claims by one statement; return how many there were.

    Arguments:
        connection: of the rows' database.
        running: ids, with the processes that run them.
        lease: seconds from now.
    """
    dialect = dialect_of(connection)
    due = dialect.after(lease)
    ids = [dialect.id(id_) for id_, _owner in running]
    owners = sorted({owner for _id, owner in running})
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET due_at = {due.sql} WHERE id IN ({places(ids)}) "
            f"AND claimed_by IN ({places(owners)})",
            [*due.values, *ids, *owners],
        )
        return int(cursor.rowcount)
