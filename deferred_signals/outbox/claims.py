"""Claim rows, and renew claims.

Whatever changes a row that somebody claimed names the claim: the row's ``attempt``, which each claim
raises by one. So whoever comes late changes nothing. Each change is one statement, and is committed by
itself, except for the end of an ``atomic=True`` run. `deferred_signals.outbox.releases` ends claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.outbox.dialects import Term, dialect_of, places
from deferred_signals.outbox.models import TABLE
from deferred_signals.outbox.on_pause import NOT_PAUSED, set_paused_aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.wakeup import WakeUp
    from deferred_signals.outbox.dialects import Dialect

__all__ = [
    "Claimed",
    "Found",
    "change_of_claim",
    "claim",
    "claimed_from",
    "columns_of_claim",
    "find",
    "renew",
]


class Claimed(NamedTuple):
    """A row that was claimed.

    Attributes:
        payload: the message's text, as it was sent.
        error: what it tells of earlier failures.
        age: seconds since the row was written, by the database's clock.
        left: seconds until it expires; None where it does not.
        order_key: rows with equal keys run one after another; None: it waits for no other.
    """

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
    connection: BaseDatabaseWrapper, wake_up: WakeUp, receiver: str, owner: str, lease: float
) -> Claimed | None:
    """Claim a row for a run; return None where it is not there to be claimed.

    Arguments:
        connection: one in autocommit, so that the claim is committed before the run.
        wake_up: names the row, and the runs that were begun before.
        receiver: whose task was woken up: no other task runs a receiver's rows.
        owner: names the process that runs it.
        lease: seconds after which the row is free again, if nobody renews the claim.

    Raises:
        django.db.IntegrityError: another row of the same order runs.
    """
    dialect = dialect_of(connection)
    change, columns = change_of_claim(dialect, owner, lease), columns_of_claim(dialect)
    update = (
        f"{change.sql}, running_key = order_key "
        f"WHERE id = %s AND attempt = %s AND receiver = %s AND dead_at IS NULL AND {NOT_PAUSED}"
    )
    id_, attempt = dialect.id(wake_up.id), wake_up.attempt
    values = [*change.values, id_, attempt, receiver]
    with connection.cursor() as cursor:
        if dialect.returns:
            cursor.execute(f"{update} RETURNING {columns.sql}", [*values, *columns.values])
            found = cursor.fetchone()
        else:
            cursor.execute(update, values)
            found = None
            if cursor.rowcount:
                cursor.execute(
                    f"SELECT {columns.sql} FROM {TABLE} "
                    f"WHERE id = %s AND attempt = %s AND claimed_by = %s",
                    [*columns.values, id_, attempt + 1, owner],
                )
                found = cursor.fetchone()
    if found is None:
        set_paused_aside(connection, (wake_up.id,), attempt)
        return None
    return claimed_from(found)


def change_of_claim(dialect: Dialect, owner: str, lease: float) -> Term:
    """Write the UPDATE that claims rows, up to its WHERE."""
    now, due = dialect.now(), dialect.after(lease)
    return Term(
        f"UPDATE {TABLE} SET attempt = attempt + 1, woken_at = NULL, due_at = {due.sql}, "
        f"claimed_by = %s, claimed_at = {now.sql}",
        (*due.values, owner, *now.values),
    )


def columns_of_claim(dialect: Dialect) -> Term:
    """List what a claim is told of a row; `claimed_from` reads it."""
    age, left = dialect.seconds_since("created_at"), dialect.seconds_since("expires_at")
    return Term(f"payload, error, order_key, {age.sql}, {left.sql}", (*age.values, *left.values))


def claimed_from(row: Sequence[Any]) -> Claimed:
    """Read the columns of a claim."""
    payload, error, order_key, age, since = row
    left = None if since is None else -float(since)
    return Claimed(payload, error, float(age), left, order_key)


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
