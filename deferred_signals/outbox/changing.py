"""Change rows that a condition selects, so that no two processes change the same row at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from deferred_signals.outbox.dialects import Term, dialect_of, places
from deferred_signals.outbox.models import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["change", "in_transaction"]


def change(
    connection: BaseDatabaseWrapper, values: Term, which: Term, columns: Term
) -> list[tuple[Any, ...]]:
    """Change rows in one short transaction; return what was asked for of each of them.

    Rows that another connection has locked are left out, where the database has SKIP LOCKED.

    Arguments:
        connection: one in autocommit.
        values: what to set, as after SET.
        which: the condition, with an order and a limit.
        columns: what to return of each row; ``id`` comes first. No column is among them that is set here:
            databases differ in whether they would return it as it was or as it is.
    """
    dialect = dialect_of(connection)
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    lock += " SKIP LOCKED" if dialect.skips_locked else ""
    if dialect.returns:
        # PostgreSQL may look for an IN's rows more than once; an array's it takes once.
        among = "= ANY(ARRAY({}))" if connection.vendor == "postgresql" else "IN ({})"
        rows = among.format(f"SELECT id FROM {TABLE} WHERE {which.sql}{lock}")
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {TABLE} SET {values.sql} WHERE id {rows} RETURNING {columns.sql}",
                [*values.values, *which.values, *columns.values],
            )
            return list(cursor.fetchall())
    with in_transaction(connection), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns.sql} FROM {TABLE} WHERE {which.sql}{lock}",
            [*columns.values, *which.values],
        )
        found = list(cursor.fetchall())
        if ids := [row[0] for row in found]:
            cursor.execute(
                f"UPDATE {TABLE} SET {values.sql} WHERE id IN ({places(ids)})",
                [*values.values, *ids],
            )
    return found


@contextmanager
def in_transaction(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Run a block in a transaction of a connection that Django's ``atomic()`` does not know."""
    connection.set_autocommit(False)
    try:
        yield
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.set_autocommit(True)
