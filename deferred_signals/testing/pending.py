"""Messages that wait for a commit on this thread's connections, found without a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from deferred_signals.sending.flush import Flush
from deferred_signals.sending.testcase import in_testcase, waiting_in_testcase

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message import Message

__all__ = ["stuck", "unfinished"]


def stuck() -> list[Message]:
    """Return the messages that wait for a ``TestCase``'s own transaction, which is never committed."""
    return [
        message
        for connection in connections.all(initialized_only=True)
        if in_testcase(connection)
        for message in _hooked(connection)
    ]


def unfinished() -> list[Message]:
    """Return the messages that wait for an ``atomic()`` of the code under test that is still open."""
    found = []
    for connection in connections.all(initialized_only=True):
        found += [outgoing.message for outgoing in waiting_in_testcase(connection)]
        if not in_testcase(connection):
            found += _hooked(connection)
    return found


def _hooked(connection: BaseDatabaseWrapper) -> list[Message]:
    return [
        outgoing.message
        for _, hook, *_ in connection.run_on_commit
        if isinstance(hook, Flush)
        for outgoing in hook.gathered
    ]
