"""`rows_read`: how many rows a block reads, which is what a missing index, or one unused, makes too many."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

__all__ = ["RowsRead", "rows_read"]

#: Steps of SQLite's machine that count as one row: it does not tell the rows.
STEPS = 10


class RowsRead:
    """What a block has read so far.

    Attributes:
        number: rows of one table on PostgreSQL; of all tables and indexes elsewhere.
        entries: on MariaDB, entries of indexes that were read without their rows.
    """

    number = entries = 0


@contextmanager
def rows_read(table: str) -> Iterator[RowsRead]:
    """Count the rows that the block reads on the default connection.

    On PostgreSQL the block is a transaction, as only that is counted at once.
    """
    found = RowsRead()
    if connection.vendor == "postgresql":
        with transaction.atomic():
            before = _of_postgresql(table)
            yield found
            found.number = _of_postgresql(table) - before
    elif connection.vendor == "mysql":
        before, entries = _of_mysql("read%"), _of_mysql("icp_attempts")
        yield found
        found.number = _of_mysql("read%") - before
        found.entries = _of_mysql("icp_attempts") - entries
    else:
        with _of_sqlite(found):
            yield found


def _of_postgresql(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = %s",
            [table],
        )
        (number,) = cursor.fetchone()
    return int(number)


def _of_mysql(handler: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE %s", [f"Handler_{handler}"])
        return sum(int(value) for _name, value in cursor.fetchall())


@contextmanager
def _of_sqlite(found: RowsRead) -> Iterator[None]:
    def count() -> None:
        found.number += 1

    connection.ensure_connection()
    driver: Any = connection.connection
    driver.set_progress_handler(count, STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)
