"""Let the database refuse each renewal of a lease, and nothing else.

This module is one of `TESTS_APP_MODULES`.
"""

from collections.abc import Callable
from typing import Any

from django.db import OperationalError
from django.db.backends.signals import connection_created

from deferred_signals.outbox.models import TABLE


def connect() -> None:
    """Refuse from now on."""
    connection_created.connect(look_at_statements)


def look_at_statements(connection: Any, **kwargs: Any) -> None:
    """Have each statement of a connection looked at, those of the outbox's own connections too."""
    if refuse_renewals not in connection.execute_wrappers:
        connection.execute_wrappers.append(refuse_renewals)


def refuse_renewals(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
    """Carry out a statement, unless it renews claims."""
    words = sql.split()
    if words[:4] == ["UPDATE", TABLE, "SET", "due_at"] and "AND claimed_by IN (" in sql:
        raise OperationalError("deadlock detected")
    return execute(sql, *arguments)
