"""List messages, a page at a time.

A page takes as long with a million rows as with a thousand. It is read by an index, from a place on, and
nothing is counted. If rows are searched for something that no index has, a page looks at `MOST_LOOKED_AT`
rows, and says so if it has not found enough by then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deferred_signals.outbox.dialects import Term, dialect_of, moment_of, places, text_of_id
from deferred_signals.outbox.models import TABLE, OutboxMessage
from deferred_signals.outbox.operations.databases import connections_of
from deferred_signals.outbox.operations.keys import Key, beyond
from deferred_signals.outbox.operations.ranges import all_of, range_of
from deferred_signals.outbox.operations.selection import checked_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.outbox.operations.ranges import Range

__all__ = ["MOST_LOOKED_AT", "PAGE", "Page", "Wanted", "page_of", "rows_of"]

#: Rows of a page.
PAGE = 50

#: Rows that one page looks at, at most, where it has to look at rows that it does not show.
MOST_LOOKED_AT = 10_000

#: How many it looks at first: most lists have a page among these.
FEW_LOOKED_AT = 200

#: What a list shows, without the columns that may be long.
_COLUMNS = (
    "id",
    "receiver",
    "subject",
    "attempt",
    "created_at",
    "due_at",
    "expires_at",
    "dead_at",
    "woken_at",
    "claimed_by",
    "claimed_at",
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which messages a list is to have; an empty text wants all.

    Arguments:
        state: one of those that `status` counts.
        receiver: a part of the receiver's name, in upper or lower case.
        subject: label and key of the first row that they refer to, as "shop.Order 7".
    """

    state: str = ""
    receiver: str = ""
    subject: str = ""

    def range(self, connection: BaseDatabaseWrapper) -> Range:
        """Return the part of the table that these rows are in."""
        found = range_of(connection, self.state)
        subject = Term("subject = %s", (self.subject,)) if self.subject else None
        if subject and self.state == "dead" and connection.vendor != "mysql":
            # An index has the subjects of dead letters. They are few, and sorted then.
            found, subject = found._replace(where=all_of([found.where, subject])), None
        receiver = None
        if self.receiver:
            receiver = dialect_of(connection).contains("LOWER(receiver)", self.receiver.lower())
        if subject or receiver:
            found = found._replace(besides=all_of([found.besides, subject, receiver]))
        return found


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of a list.

    Attributes:
        rows: what it shows, without the payload and the error.
        previous: the place that the page before this one ends before; None: this is the first page.
        next: the place that the next page begins behind; None: this is the last page.
        looked_at: the rows that were looked at, if these were as many as a page may look at.
    """

    rows: tuple[OutboxMessage, ...]
    previous: Key | None = None
    next: Key | None = None
    looked_at: int | None = None


def page_of(
    wanted: Wanted, *, using: str, after: str = "", before: str = "", size: int = PAGE
) -> Page:
    """Return a page of the messages of one database.

    Arguments:
        wanted: which messages.
        using: alias of the database.
        after: a place, as `Page.next` of the page before; empty: the first page.
        before: a place, as `Page.previous` of the page behind.
        size: how many rows.

    Raises:
        ValueError: the database has no outbox, or a text is no place in this list.
    """
    (connection,) = connections_of(using)
    found = wanted.range(connection)
    if not before:
        start = Key.parsed(after, found.columns) if after else None
        return _read(connection, found, start, size)
    start = Key.parsed(before, found.columns)
    backwards = found._replace(is_newest_first=not found.is_newest_first)
    page = _read(connection, backwards, start, size)
    if page.next is None:  # it is the first one, which may have too few rows by now
        return _read(connection, found, None, size)
    return replace(page, rows=page.rows[::-1], previous=page.next, next=page.previous)


def _read(connection: BaseDatabaseWrapper, asked: Range, start: Key | None, size: int) -> Page:
    """Read a page in the order of a range, from a place on."""
    where = asked.where
    if start is not None:
        forwards = "<" if asked.is_newest_first else ">"
        beyond_start = beyond(asked.columns, start, forwards, dialect_of(connection))
        where = all_of([where, beyond_start])
    found, end = _looked_for(connection, asked, where, size + 1)
    rows = tuple(found[:size])
    return Page(
        rows=rows,
        previous=None if start is None else _place(asked.columns, rows[0]) if rows else end,
        next=_place(asked.columns, rows[-1]) if len(found) > size else end,
        looked_at=MOST_LOOKED_AT if end is not None and len(found) <= size else None,
    )


def _looked_for(
    connection: BaseDatabaseWrapper, asked: Range, where: Term, number: int
) -> tuple[list[OutboxMessage], Key | None]:
    """Look for so many rows. Return them, and the place of the last row that was looked at.

    The place is None if the range ends before that.
    """
    if asked.besides is None:
        return _rows(connection, where, asked, number), None
    dialect, back = dialect_of(connection), ">" if asked.is_newest_first else "<"
    found: list[OutboxMessage] = []
    end = None
    for most in (FEW_LOOKED_AT, MOST_LOOKED_AT):
        end = _end(connection, asked, where, most)
        until = end and beyond(asked.columns, end, back, dialect, including=True)
        found = _rows(connection, all_of([where, until, asked.besides]), asked, number)
        if end is None or len(found) == number:
            break
    return found, end


def _rows(
    connection: BaseDatabaseWrapper, where: Term, asked: Range, number: int
) -> list[OutboxMessage]:
    values = _select(connection, _COLUMNS, where, asked, f"LIMIT {number:d}")
    return [_row(connection, one) for one in values]


def _end(connection: BaseDatabaseWrapper, asked: Range, where: Term, most: int) -> Key | None:
    """Return the place of the last of so many rows; None if there are fewer."""
    found = _select(connection, asked.columns, where, asked, f"LIMIT 1 OFFSET {most - 1:d}")
    if not found:
        return None
    return Key.of(asked.columns, _with_zones(connection, asked.columns, found[0]))


def _select(
    connection: BaseDatabaseWrapper, columns: Iterable[str], where: Term, asked: Range, limit: str
) -> Sequence[Sequence[Any]]:
    down = " DESC" if asked.is_newest_first else ""
    order = ", ".join(f"{column}{down}" for column in asked.columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM {TABLE} WHERE {where.sql} ORDER BY {order} {limit}",
            where.values,
        )
        return list(cursor.fetchall())


def _row(connection: BaseDatabaseWrapper, values: Sequence[Any]) -> OutboxMessage:
    given = dict(zip(_COLUMNS, _with_zones(connection, _COLUMNS, values), strict=True))
    return OutboxMessage(**{**given, "id": text_of_id(given["id"])})


def _with_zones(
    connection: BaseDatabaseWrapper, columns: Iterable[str], values: Iterable[Any]
) -> list[Any]:
    """Give what a driver returned, with the zones of times."""
    return [
        moment_of(connection, value) if column.endswith("_at") and value is not None else value
        for column, value in zip(columns, values, strict=True)
    ]


def _place(columns: Sequence[str], row: OutboxMessage) -> Key:
    return Key.of(columns, [getattr(row, column) for column in columns])


def rows_of(ids: Iterable[str]) -> list[tuple[str, OutboxMessage]]:
    """Look for messages in all databases of the outbox; return their aliases and rows, the newest first.

    Arguments:
        ids: their ids, of which some may be gone.

    Raises:
        ValueError: a text is no id.
    """
    wanted = {checked_id(id_) for id_ in ids}
    found = []
    for connection in connections_of(None) if wanted else ():
        parameters = [dialect_of(connection).id(id_) for id_ in wanted]
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM {TABLE} WHERE id IN ({places(parameters)})",
                parameters,
            )
            found += [(connection.alias, _row(connection, values)) for values in cursor.fetchall()]
    return sorted(found, key=lambda one: str(one[1].id), reverse=True)
