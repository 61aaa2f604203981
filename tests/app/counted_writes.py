"""Count the rows of the outbox that each process changes.

The folder `WRITES` gets a file for each process that has connected to the database, and the file a byte for
each row. This module is one of `TESTS_APP_MODULES`.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.backends.signals import connection_created

from deferred_signals.outbox.models import TABLE


def connect() -> None:
    """Count from now on."""
    connection_created.connect(look_at_statements)


def look_at_statements(connection: Any, **kwargs: Any) -> None:
    """Have each statement of a connection looked at, those of the outbox's own connections too."""
    note(0)
    if count_rows not in connection.execute_wrappers:
        connection.execute_wrappers.append(count_rows)


def count_rows(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Carry out a statement, and count the rows that it changes."""
    result = execute(sql, params, many, context)
    if sql.startswith(f"UPDATE {TABLE}"):
        note(context["cursor"].rowcount)
    return result


def note(rows: int) -> None:
    """Note so many rows."""
    with (Path(os.environ["WRITES"]) / str(os.getpid())).open("ab") as file:
        file.write(b"." * rows)
