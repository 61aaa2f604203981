"""A database of its own for a benchmark, and the outbox's table in it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.db import connection
from django.test.utils import setup_databases, teardown_databases

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["database", "forget_rows"]


@contextmanager
def database() -> Iterator[None]:
    """Make a database, which this process and the programs that it starts use; drop it at the end."""
    databases = setup_databases(verbosity=0, interactive=False, serialized_aliases=())
    url = urlsplit(os.environ["DATABASE_URL"])
    os.environ["DATABASE_URL"] = url._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    try:
        yield
    finally:
        teardown_databases(databases, verbosity=0)


def forget_rows() -> None:
    """Remove all durable messages."""
    from deferred_signals.outbox.models import TABLE  # noqa: PLC0415 - some benchmarks are without it

    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")
