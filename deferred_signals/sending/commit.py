"""Bound to the commit: nothing leaves before the transaction did, and nothing of a rollback.

Django's own ``run_on_commit`` is the buffer, so savepoints and rollbacks are Django's too. Sends
that follow one another under the same savepoints share one hook, which publishes them in one
batch.

Messages to be coalesced are the exception. Which of them survive is known only when Django has
run the hooks of all that do, so they leave from one more hook behind those.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from django.db import connections, transaction
from django.db.transaction import TransactionManagementError

from deferred_signals.sending.coalesce import coalesced
from deferred_signals.sending.destinations import current_way, may_raise
from deferred_signals.sending.testcase import defer_in_testcase, in_testcase

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.sending.destinations import Way

__all__ = ["Flush", "Tail", "defer", "is_in_coroutine"]


class Flush:
    """The hook on a transaction: what it gathered leaves when the transaction is committed.

    Attributes:
        way: where it leaves to.
        closed: no further message may join, since it was called, or is to hold a single one.
        tail: the hook that waits for those of its messages that are to be coalesced, if any are.
    """

    def __init__(self, way: Way, *, closed: bool) -> None:
        # Django logs the name of a robust hook that fails, and instances have none.
        self.__qualname__ = type(self).__qualname__
        self.way = way
        self.closed = closed
        self.tail: Tail | None = None
        self._gathered: list[Outgoing] = []

    def add(self, outgoing: Outgoing) -> None:
        """Take one more message of the same transaction."""
        self._gathered.append(outgoing)

    @property
    def gathered(self) -> tuple[Outgoing, ...]:
        """The messages that still wait for the commit."""
        return tuple(self._gathered)

    def __call__(self) -> None:
        """Let go what was gathered."""
        self.closed = True
        gathered, self._gathered = self._gathered, []
        if self.tail is not None:
            gathered = self.tail.take(gathered)
        if gathered:
            self.way.leave(gathered)


class Tail:
    """The hook behind all flushes of a transaction: what is to be coalesced leaves from here.

    A flush that Django calls has survived, and so have its messages. As a later flush stands
    behind a tail, a transaction may hold several; the last one lets go what all were given.

    Attributes:
        way: where it leaves to.
        survivors: the messages that it was given, and those before it in the same transaction.
        is_last: no other tail stands behind it.
    """

    def __init__(self, way: Way, survivors: list[Outgoing]) -> None:
        self.__qualname__ = type(self).__qualname__
        self.way = way
        self.survivors = survivors
        self.is_last = True

    def take(self, gathered: list[Outgoing]) -> list[Outgoing]:
        """Keep the messages that are to be coalesced, and give back the others."""
        self.survivors += [item for item in gathered if item.coalesce_key is not None]
        return [item for item in gathered if item.coalesce_key is None]

    def __call__(self) -> None:
        """Let go what survived, merged."""
        if self.is_last and self.survivors:
            merged = coalesced(self.survivors)
            self.survivors.clear()
            self.way.leave(merged)


def defer(outgoing: Outgoing, *, immediate: bool) -> None:
    """Let a message leave when its transaction commits; at once where there is none.

    Arguments:
        outgoing: the message, which names its database.
        immediate: do not wait for the commit.

    Raises:
        TransactionManagementError: autocommit is off and no transaction is open.
        PublishError: there is nothing to wait for, and a test would publish.
    """
    way = current_way()
    using = outgoing.message.using
    connection = connections[using]
    if immediate:
        way.leave([outgoing])
    elif connection.in_atomic_block:
        if way.local and in_testcase(connection):
            defer_in_testcase(connection, outgoing, way.leave)
        else:
            _gather(connection, way, outgoing)
    elif _is_in_autocommit(connection):
        way.leave([outgoing])
    else:
        raise TransactionManagementError(
            f"The deferred receiver {outgoing.message.receiver!r} waits for a commit on "
            f"{using!r}, whose autocommit is off and which has no transaction "
            f"that could be followed. Send inside transaction.atomic()."
        )


def is_in_coroutine() -> bool:
    """Return whether the caller is a coroutine that Django allows no database.

    Django shows a coroutine another connection than the code around it, so the transaction to wait
    for cannot be seen.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return not os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")


def _is_in_autocommit(connection: BaseDatabaseWrapper) -> bool:
    """Ask what `get_autocommit()` would say, without connecting, which a test may be forbidden to."""
    if connection.connection is None:
        return bool(connection.settings_dict["AUTOCOMMIT"])
    return bool(connection.autocommit)


def _gather(connection: BaseDatabaseWrapper, way: Way, outgoing: Outgoing) -> None:
    """Add a message to the last hook, if nothing came between; else to a new one."""
    flush = _open_flush(connection, way)
    if flush is None:
        # In a TestCase captureOnCommitCallbacks() counts the hooks.
        flush = Flush(way, closed=in_testcase(connection))
        flush.add(outgoing)
        _register(connection, flush)
    else:
        flush.add(outgoing)
    if outgoing.coalesce_key is not None:
        flush.tail = _last_tail(connection, way)


def _open_flush(connection: BaseDatabaseWrapper, way: Way) -> Flush | None:
    """The last hook but for a tail, where the next message may join it."""
    for savepoints, hook, *_ in reversed(connection.run_on_commit[-2:]):
        if isinstance(hook, Flush):
            if hook.closed or hook.way is not way or savepoints != set(connection.savepoint_ids):
                return None
            return hook
        if not isinstance(hook, Tail):
            return None
    return None


def _last_tail(connection: BaseDatabaseWrapper, way: Way) -> Tail:
    """The tail behind all other hooks: the one that is there, or a new one."""
    hooks = (hook for _, hook, *_ in reversed(connection.run_on_commit))
    before = next((hook for hook in hooks if isinstance(hook, Tail) and hook.way is way), None)
    if before is not None and connection.run_on_commit[-1][1] is before:
        return before
    tail = Tail(way, [] if before is None else before.survivors)
    _register(connection, tail)
    # It must outlive the savepoints that are open now: an earlier flush may. Django has no way to
    # say so, so this alters the set that it looks at when a savepoint is rolled back.
    for savepoints, hook, *_ in connection.run_on_commit[-1:]:
        if hook is tail:
            savepoints.clear()
            if before is not None:
                before.is_last = False
    return tail


def _register(connection: BaseDatabaseWrapper, hook: Flush | Tail) -> None:
    transaction.on_commit(hook, using=connection.alias, robust=not may_raise(hook.way))
