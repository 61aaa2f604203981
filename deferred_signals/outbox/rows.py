"""Write rows: the INSERT of a transaction's durable messages."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.outbox.dialects import Term, dialect_of
from deferred_signals.outbox.models import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["PARAMETERS", "Row", "insert"]

#: The parameters of one row in a statement, at most.
PARAMETERS = 11


class Row(NamedTuple):
    """A row to be written.

    Attributes:
        id: the message's.
        receiver: its receiver's name.
        subject: label and key of the first row that it refers to.
        payload: its text.
        options: JSON of what it is published with beside its receiver's own options.
        countdown: seconds until it is due; None where its wake-up is published at the commit.
        expires: the seconds, or the moment, after which it does not run.
        order_key: rows with equal keys run one after another; None: it waits for no other.
    """

    id: str
    receiver: str
    subject: str
    payload: str
    options: str
    countdown: float | None
    expires: float | datetime | None
    order_key: str | None = None


_COLUMNS = (
    "id, receiver, subject, payload, options, attempt, position, created_at, due_at, expires_at, "
    "woken_at, order_key, error"
)


def insert(
    connection: BaseDatabaseWrapper, rows: Sequence[Row], position: int, lease: float
) -> float:
    """Write rows by one statement; return when, in seconds since the epoch.

    Arguments:
        connection: of the rows' database.
        rows: the rows.
        position: the place of the first of them in its transaction.
        lease: seconds after which a relay looks for a row whose wake-up brought no claim.
    """
    dialect, now = dialect_of(connection), dialect_of(connection).now()
    nothing = Term("NULL")
    places: list[str] = []
    values: list[Any] = []
    for place, row in enumerate(rows, position):
        is_woken = row.countdown is None
        due = dialect.after(lease if row.countdown is None else row.countdown)
        if row.expires is None:
            expires = nothing
        elif isinstance(row.expires, datetime):
            expires = Term("%s", (dialect.moment(row.expires),))
        else:
            expires = dialect.after(row.expires)
        woken = now if is_woken else nothing
        places.append(
            f"(%s, %s, %s, %s, %s, 0, %s, {now.sql}, {due.sql}, {expires.sql}, {woken.sql}, %s, '')"
        )
        values += (dialect.id(row.id), row.receiver, row.subject, row.payload, row.options, place)
        values += (*now.values, *due.values, *expires.values, *woken.values, row.order_key)
    with connection.cursor() as cursor:
        told = dialect.seconds()
        statement = f"INSERT INTO {TABLE} ({_COLUMNS}) VALUES {', '.join(places)}"
        if dialect.returns_inserted:
            cursor.execute(f"{statement} RETURNING {told.sql}", [*values, *told.values])
            (at,) = cursor.fetchall()[-1]
        else:
            cursor.execute(statement, values)
            cursor.execute(f"SELECT {told.sql}", told.values)
            (at,) = cursor.fetchone()
        return float(at)
