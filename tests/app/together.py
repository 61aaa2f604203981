"""Let processes of `manage.py deferred_outbox` begin when a test wants it, and meet on a slow database.

Before its first statement each process leaves a file in the folder `TOGETHER`, and waits there for a file
that is called like its action. This module is one of `TESTS_APP_MODULES`.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.backends.signals import connection_created

from deferred_signals.outbox.models import TABLE
from deferred_signals.outbox.operations import letters


def connect() -> None:
    """Have dead letters treated in small batches, and slowly."""
    letters.BATCH = 3
    connection_created.connect(look_at_statements)


def look_at_statements(connection: Any, **kwargs: Any) -> None:
    """Have each statement of a connection looked at."""
    if wait_first not in connection.execute_wrappers:
        connection.execute_wrappers.append(wait_first)


def wait_first(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
    """Wait before a statement that has to do with the outbox, so that others come before it.

    On SQLite a transaction has its lock when it begins.
    """
    if TABLE in sql or sql.startswith("BEGIN"):
        folder = Path(os.environ["TOGETHER"])
        (folder / str(os.getpid())).touch()
        while not (folder / sys.argv[2]).exists():
            time.sleep(0.001)
        time.sleep(0.01)
    return execute(sql, *arguments)
