"""Dead letters, in batches: each is one short transaction, in which their rows are locked.

What changes a row names the state that it must be in. So a replay, a purge and a discard at one moment,
and workers beside them, each find what is still there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from django.db import OperationalError, transaction

from deferred_signals.outbox.dialects import (
    Term,
    dialect_of,
    moment_of,
    places,
    text_of_id,
    time_of,
)
from deferred_signals.outbox.models import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.outbox.operations.selection import Selection

__all__ = [
    "BATCH",
    "Letter",
    "count",
    "count_old",
    "in_batches",
    "payloads_of",
    "remove_dead",
    "remove_old",
    "revive",
]

#: Rows of one transaction.
BATCH = 1000

#: How often a batch is tried that met another transaction crosswise.
TRIES = 5


class Letter(NamedTuple):
    """A dead letter, as an operation finds it."""

    id: str
    receiver: str


class Removed(NamedTuple):
    """What became of a batch of old letters: how many were removed, and whether it was the last batch."""

    number: int
    is_last: bool


class Place(NamedTuple):
    """The place of a row among the dead letters, which are in the order of their deaths."""

    dead_at: datetime
    id: str


def count(connection: BaseDatabaseWrapper, selection: Selection) -> int:
    """Count the dead letters that are meant."""
    where = selection.condition(dialect_of(connection))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {TABLE} WHERE {where.sql}", where.values)
        (found,) = cursor.fetchone()
    return int(found)


def in_batches(
    connection: BaseDatabaseWrapper,
    selection: Selection,
    change: Callable[[Sequence[Letter]], object],
) -> Iterator[Sequence[Letter]]:
    """Change the dead letters that are meant, the oldest first; give each batch when it is through.

    Letters that die meanwhile are left alone.

    Arguments:
        connection: of their database.
        selection: which are meant.
        change: is called with each batch, in a transaction that has locked its rows.
    """
    end = time_of(connection)
    after: Place | None = None
    while True:
        found, after = _again(connection, selection, change, after, end)
        if found:
            yield found
        if after is None:
            return


def _again(
    connection: BaseDatabaseWrapper,
    selection: Selection,
    change: Callable[[Sequence[Letter]], object],
    after: Place | None,
    end: datetime,
) -> tuple[Sequence[Letter], Place | None]:
    """Change the next batch."""

    def act() -> tuple[Sequence[Letter], Place | None]:
        with transaction.atomic(using=connection.alias):
            found, last = _next(connection, selection, after, end)
            if found:
                change(found)
            return found, last

    return _tried(connection, act)


T = TypeVar("T")


def _tried(connection: BaseDatabaseWrapper, act: Callable[[], T]) -> T:
    """Act; do it again if the database has ended it in favour of another transaction."""
    tries = 0
    while True:
        tries += 1
        try:
            return act()
        except OperationalError:
            if tries == TRIES or connection.in_atomic_block:
                raise


def _next(
    connection: BaseDatabaseWrapper,
    selection: Selection,
    after: Place | None,
    end: datetime,
) -> tuple[Sequence[Letter], Place | None]:
    """Lock the next batch. Return it, and behind which row the one after it begins; None: it is the last."""
    dialect = dialect_of(connection)
    where = selection.condition(dialect)
    where = Term(f"{where.sql} AND dead_at <= %s", (*where.values, dialect.moment(end)))
    if after is not None:
        dead_at = dialect.moment(after.dead_at)
        where = Term(
            f"{where.sql} AND dead_at >= %s AND (dead_at > %s OR id > %s)",
            (*where.values, dead_at, dead_at, dialect.id(after.id)),
        )
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, receiver, dead_at FROM {TABLE} WHERE {where.sql} "
            f"ORDER BY dead_at, id LIMIT {BATCH:d}{lock}",
            where.values,
        )
        found = cursor.fetchall()
    letters = [Letter(text_of_id(id_), receiver) for id_, receiver, _ in found]
    if len(found) < BATCH:
        return letters, None
    return letters, Place(moment_of(connection, found[-1][2]), letters[-1].id)


def revive(connection: BaseDatabaseWrapper, letters: Sequence[Letter]) -> None:
    """Let dead letters run again, from their first attempt on, as soon as a relay finds them."""
    dialect = dialect_of(connection)
    now, ids = dialect.now(), [dialect.id(letter.id) for letter in letters]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET attempt = 0, dead_at = NULL, due_at = {now.sql}, woken_at = NULL, "
            f"expires_at = NULL, error = '' WHERE id IN ({places(ids)}) AND dead_at IS NOT NULL",
            [*now.values, *ids],
        )


def remove_dead(connection: BaseDatabaseWrapper, letters: Sequence[Letter]) -> None:
    """Remove dead letters for good."""
    dialect = dialect_of(connection)
    ids = [dialect.id(letter.id) for letter in letters]
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {TABLE} WHERE id IN ({places(ids)}) AND dead_at IS NOT NULL", ids
        )


def remove_old(connection: BaseDatabaseWrapper, age: float, most: int = BATCH) -> Removed:
    """Remove letters that have been dead for longer than so many seconds.

    Arguments:
        connection: of their database.
        age: the seconds.
        most: how many at a time.
    """
    return _tried(connection, lambda: _remove_old(connection, age, most))


def _remove_old(connection: BaseDatabaseWrapper, age: float, most: int) -> Removed:
    dialect = dialect_of(connection)
    before = dialect.bound(-age)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {TABLE} WHERE dead_at < {before.sql} ORDER BY dead_at LIMIT {most:d}",
            before.values,
        )
        ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return Removed(0, is_last=True)
        cursor.execute(
            f"DELETE FROM {TABLE} WHERE id IN ({places(ids)}) AND dead_at < {before.sql}",
            [*ids, *before.values],
        )
        return Removed(int(cursor.rowcount), is_last=len(ids) < most)


def count_old(connection: BaseDatabaseWrapper, age: float) -> int:
    """Count the letters that have been dead for longer than so many seconds."""
    before = dialect_of(connection).bound(-age)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {TABLE} WHERE dead_at < {before.sql}", before.values)
        (found,) = cursor.fetchone()
    return int(found)


def payloads_of(connection: BaseDatabaseWrapper, letters: Sequence[Letter]) -> dict[str, str]:
    """Return the texts of dead letters, by their ids."""
    dialect = dialect_of(connection)
    ids = [dialect.id(letter.id) for letter in letters]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, payload FROM {TABLE} WHERE id IN ({places(ids)})", ids)
        return {text_of_id(id_): payload for id_, payload in cursor.fetchall()}
