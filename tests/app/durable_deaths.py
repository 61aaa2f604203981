"""Kill a worker's process while it deals with the row of a message, for messages that a test names.

The test names them by empty files in the folder `DEATHS`: "before_claim.<id>" has the process that is
about to claim that message's row killed, once. This module is one of `TESTS_APP_MODULES`.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from celery.signals import worker_ready
from django.db.backends.signals import connection_created

from deferred_signals import events
from deferred_signals.outbox.models import TABLE

#: Where a process may be killed. The DELETE of an atomic run comes before its COMMIT.
POINTS = ("before_claim", "after_claim", "before_delete", "after_delete", "after_commit")


def connect() -> None:
    """Look at what this process does from now on."""
    connection_created.connect(look_at_statements)
    events.receiver_succeeded.connect(die_after_commit)
    worker_ready.connect(notice_deaths_soon)


def look_at_statements(connection: Any, **kwargs: Any) -> None:
    """Have each statement of a connection looked at, those of the outbox's own connections too."""
    if die_at_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(die_at_statement)


def die_at_statement(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Carry out a statement; be killed before it or after it if that is a message's fate."""
    step = step_of(sql)
    ids = [*ids_in(params or ())] if step else []
    die_if_told(f"before_{step}", ids)
    result = execute(sql, params, many, context)
    die_if_told(f"after_{step}", ids)
    return result


def step_of(sql: str) -> str | None:
    """Tell what a statement does with a row."""
    if TABLE not in sql:
        return None
    if sql.startswith("DELETE"):
        return "delete"
    return "claim" if "SET attempt = attempt + 1" in sql else None


def ids_in(params: Sequence[Any]) -> Iterator[str]:
    """Find the ids among the parameters of a statement."""
    for param in params:
        try:
            yield str(UUID(str(param)))
        except ValueError:
            continue


def die_after_commit(message: Any, **kwargs: Any) -> None:
    """Be killed after the end of a run, if that is its message's fate."""
    die_if_told("after_commit", [message.id])


def die_if_told(point: str, ids: Sequence[str]) -> None:
    """Be killed if the test has named this point for one of these messages; the next time, live."""
    for id_ in ids:
        try:
            (Path(os.environ["DEATHS"]) / f"{point}.{id_}").unlink()
        except FileNotFoundError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)


def notice_deaths_soon(sender: Any, **kwargs: Any) -> None:
    """Have the pool look for dead children often, and not each five seconds.

    Celery hears of a death as it happens, and asks for the child's exit code too early for the kernel.
    """
    if sender.hub is not None:
        sender.hub.call_repeatedly(0.1, sender.pool.maintain_pool)
