"""Write rows: the INSERT of a transaction's durable messages, and of what commit delivery keeps."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.outbox.dialects import LONGEST_WAIT, Term, dialect_of, places
from deferred_signals.outbox.models import TABLE
from deferred_signals.support.json import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper

    from deferred_signals.outbox.dialects import Dialect

__all__ = ["PARAMETERS", "Row", "insert", "put"]

#: The parameters of one row in a statement, at most; `put` has one more, of a failure.
PARAMETERS = 11


#: Rows that are many: one text for them is faster than parameters, and takes longer to plan.
MANY = 5


class Row(NamedTuple):
    """A row to be written.

    Attributes:
        id: the message's.
        position: its place in its transaction.
        receiver: its receiver's name.
        subject: label and key of the first row that it refers to.
        payload: its text.
        options: JSON of what it is published with beside its receiver's own options.
        countdown: seconds until it is due; None where its wake-up is published at the commit.
        expires: the seconds, or the moment, after which it does not run.
        order_key: rows with equal keys run one after another; None: it waits for no other.
        attempt: the runs that were begun before.
        age: seconds since it was sent, if that was before.
        error: what it tells of earlier failures.
        is_dead: it is a dead letter.
    """

    id: str
    position: int
    receiver: str
    subject: str
    payload: str
    options: str
    countdown: float | None
    expires: float | datetime | None
    order_key: str | None = None
    attempt: int = 0
    age: float = 0.0
    error: str = ""
    is_dead: bool = False

    @property
    def is_plain(self) -> bool:
        """Return whether the row is as most are: it was just sent, and its wake-up follows the commit."""
        is_new = not (self.attempt or self.age or self.error or self.is_dead)
        return is_new and self.countdown is None and self.expires is None


_COLUMNS = (
    "id, receiver, subject, payload, options, attempt, position, created_at, due_at, expires_at, "
    "woken_at, dead_at, order_key, error"
)


def insert(connection: BaseDatabaseWrapper, rows: Sequence[Row], lease: float) -> float:
    """Write rows by one statement; return when, in seconds since the epoch.

    Arguments:
        connection: of the rows' database.
        rows: the rows.
        lease: seconds after which a relay looks for a row whose wake-up brought no claim.
    """
    dialect = dialect_of(connection)
    are_plain = all(row.is_plain for row in rows)
    with connection.cursor() as cursor:
        if are_plain and dialect.reads_json and len(rows) >= MANY:
            return _insert_at_once(cursor, rows, lease)
        statement = (_insert_plain if are_plain else _insert)(dialect, rows, lease)
        told = dialect.seconds()
        if dialect.returns_inserted:
            cursor.execute(
                f"{statement.sql} RETURNING {told.sql}", [*statement.values, *told.values]
            )
            (at,) = cursor.fetchall()[-1]
        else:
            # Before the INSERT: whatever fails after it would be told of rows that autocommit has saved.
            cursor.execute(f"SELECT {told.sql}", told.values)
            (at,) = cursor.fetchone()
            cursor.execute(statement.sql, statement.values)
        return float(at)


def put(connection: BaseDatabaseWrapper, rows: Sequence[Row]) -> None:
    """Write rows whose ids may be there: a dead letter makes room, any other row stays as it is.

    Arguments:
        connection: of the rows' database, in a transaction.
        rows: the rows, none of which is woken.
    """
    dialect = dialect_of(connection)
    ids = [dialect.id(row.id) for row in rows]
    statement = _insert(dialect, rows, 0.0)
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {TABLE} WHERE id IN ({places(ids)}) AND dead_at IS NOT NULL", ids
        )
        cursor.execute(f"{statement.sql} {dialect.unless_there}", statement.values)


#: Many rows travel as one text, which takes a third of the time that as many parameters take.
_AT_ONCE = f"""
    WITH written AS (
        INSERT INTO {TABLE} ({_COLUMNS})
        SELECT id, receiver, subject, payload, options, 0, position,
            clock_timestamp(), clock_timestamp() + %s * interval '1 second', NULL,
            clock_timestamp(), NULL, order_key, ''
        FROM json_to_recordset(%s::json) AS given (
            id uuid, receiver text, subject text, payload text, options text, position integer,
            order_key text
        )
        RETURNING created_at
    )
    SELECT EXTRACT(EPOCH FROM max(created_at))::float8 FROM written
"""


def _insert_at_once(cursor: CursorWrapper, rows: Sequence[Row], lease: float) -> float:
    """Write plain rows to a PostgreSQL; return when."""
    given = [
        {
            "id": row.id,
            "receiver": row.receiver,
            "subject": row.subject,
            "payload": row.payload,
            "options": row.options,
            "position": row.position,
            "order_key": row.order_key,
        }
        for row in rows
    ]
    cursor.execute(_AT_ONCE, [lease, to_json(given)])
    (at,) = cursor.fetchone()
    return float(at)


def _insert_plain(dialect: Dialect, rows: Sequence[Row], lease: float) -> Term:
    now, due = dialect.now(), dialect.after(lease)
    text = f"(%s, %s, %s, %s, %s, 0, %s, {now.sql}, {due.sql}, NULL, {now.sql}, NULL, %s, '')"
    times = (*now.values, *due.values, *now.values)
    values: list[Any] = []
    for row in rows:
        values += (dialect.id(row.id), row.receiver, row.subject, row.payload, row.options)
        values += (row.position, *times, row.order_key)
    texts = ", ".join([text] * len(rows))
    return Term(f"INSERT INTO {TABLE} ({_COLUMNS}) VALUES {texts}", tuple(values))


def _insert(dialect: Dialect, rows: Sequence[Row], lease: float) -> Term:
    now, nothing = dialect.now(), Term("NULL")
    texts: list[str] = []
    values: list[Any] = []
    for row in rows:
        is_woken = row.countdown is None
        created = dialect.after(-row.age) if row.age else now
        due = dialect.after(lease if row.countdown is None else min(row.countdown, LONGEST_WAIT))
        woken = now if is_woken else nothing
        dead = nothing
        if row.is_dead:
            due, woken, dead = nothing, nothing, now
        error = Term("%s", (row.error,)) if row.error else Term("''")
        if row.expires is None:
            expires = nothing
        elif isinstance(row.expires, datetime):
            expires = Term("%s", (dialect.moment(row.expires),))
        else:
            expires = dialect.after(row.expires)
        texts.append(
            f"(%s, %s, %s, %s, %s, {row.attempt:d}, %s, {created.sql}, {due.sql}, {expires.sql}, "
            f"{woken.sql}, {dead.sql}, %s, {error.sql})"
        )
        values += (dialect.id(row.id), row.receiver, row.subject, row.payload, row.options)
        values += (row.position, *created.values, *due.values, *expires.values)
        values += (*woken.values, *dead.values, row.order_key, *error.values)
    return Term(f"INSERT INTO {TABLE} ({_COLUMNS}) VALUES {', '.join(texts)}", tuple(values))
