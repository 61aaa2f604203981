"""Defer messages to the commit: none leaves before its transaction is committed, none of a rollback.

Django's own ``run_on_commit`` is the buffer, so savepoints and rollbacks are Django's too. Sends
that follow one another under the same savepoints share one hook, a `Flush`, which hands them over in
one batch.

Messages to be coalesced are the exception. Which of them survive is known only when Django has
run the hooks of all that do. So they are handed over from a `Tail`, one more hook behind those.

Durable messages are written by the transaction itself, right before its COMMIT, and their hooks are
what survived until then.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NamedTuple

from django.db import connections, transaction
from django.db.transaction import TransactionManagementError

from deferred_signals import events
from deferred_signals.sending.destinations import current_destination, may_raise, stays_here
from deferred_signals.sending.durable import durable
from deferred_signals.sending.flush import Flush, Tail
from deferred_signals.sending.testcase import defer_in_testcase, in_testcase
from deferred_signals.sending.undeferred import NotKept
from deferred_signals.support.telling import telling

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.sending.destinations import Destination
    from deferred_signals.sending.durable import Durable

__all__ = ["Way", "defer", "is_in_coroutine", "way_of"]


class Way(NamedTuple):
    """Where a message goes.

    Attributes:
        destination: takes the message after the commit.
        outbox: keeps the message in its database, and is told instead; None where nothing does.
    """

    destination: Destination
    outbox: Durable | None


def defer(outgoing: Outgoing, way: Way, *, immediate: bool) -> None:
    """Hand a message over when its transaction commits; at once where there is no transaction.

    Arguments:
        outgoing: the message, which names its database.
        way: where it goes.
        immediate: do not wait for the commit.

    Raises:
        TransactionManagementError: autocommit is off and no transaction is open.
        PublishError: there is nothing to wait for, and a test would publish.
        django.db.Error: the row of a durable message cannot be written.
    """
    destination, outbox = way
    using = outgoing.message.using
    connection = connections[using]
    if not (immediate or connection.in_atomic_block or _is_in_autocommit(connection)):
        raise TransactionManagementError(
            f"The deferred receiver {outgoing.message.receiver!r} waits for a commit on "
            f"{using!r}, whose autocommit is off and which has no transaction "
            f"that could be followed. Send inside transaction.atomic()."
        )
    _tell(outgoing)
    if immediate:
        destination.take([outgoing])
    elif connection.in_atomic_block:
        if destination.local and in_testcase(connection):
            defer_in_testcase(connection, outgoing, destination.take)
        elif outbox is None:
            _gather(connection, destination, outgoing)
        else:
            outbox.join(connection, _gather(connection, outbox.at_commit, outgoing))
    elif outbox is None:
        destination.take([outgoing])
    else:
        outbox.write(outgoing)


def _tell(outgoing: Outgoing) -> None:
    """Send ``message_deferred``, unless the message is deferred by a handler that is told of another."""
    name = outgoing.message.receiver
    if not outgoing.quiet and events.message_deferred.has_listeners(name):
        with telling():
            events.message_deferred.send_robust(
                sender=name, message=outgoing.message, durable=outgoing.durable
            )


def way_of(outgoing: Outgoing) -> Way:
    """Find out where a message goes now.

    A durable one goes to the destination like any other where that is in this process, and in a test that
    may not publish. What nothing could keep elsewhere is refused there, too.

    Raises:
        NotKept: nothing can keep a durable message.
    """
    destination = current_destination()
    if not outgoing.durable:
        return Way(destination, None)
    outbox = durable()
    if outbox is None:
        raise NotKept(
            f"{outgoing.message.receiver!r} is durable, and no app keeps its messages. Add "
            f"'deferred_signals.outbox' to INSTALLED_APPS, and run migrate."
        )
    outbox.check(outgoing)
    return Way(destination, None if stays_here(destination) else outbox)


def is_in_coroutine() -> bool:
    """Return whether the caller is a coroutine to which Django allows no database.

    Django gives a coroutine another connection than the code around it has, so the transaction to
    wait for cannot be seen.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return not os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")


def _is_in_autocommit(connection: BaseDatabaseWrapper) -> bool:
    """Return what `get_autocommit()` would, without connecting, which a test may be forbidden to."""
    if connection.connection is None:
        return bool(connection.settings_dict["AUTOCOMMIT"])
    return bool(connection.autocommit)


def _gather(connection: BaseDatabaseWrapper, destination: Destination, outgoing: Outgoing) -> Flush:
    """Add a message to the last hook, if no other hook came between; else to a new one."""
    flush = _open_flush(connection, destination)
    if flush is None:
        # In a TestCase captureOnCommitCallbacks() counts the hooks.
        flush = Flush(destination, closed=in_testcase(connection))
        flush.add(outgoing)
        _register(connection, flush)
    else:
        flush.add(outgoing)
    if outgoing.coalesce_key is not None:
        flush.tail = _last_tail(connection, destination)
    return flush


def _open_flush(connection: BaseDatabaseWrapper, destination: Destination) -> Flush | None:
    """Return the flush that the next message may join: the last hook, but for tails.

    Flushes of other messages that leave this process may stand behind it, as a signal may have durable
    receivers beside others: no order is promised between the two.
    """
    for savepoints, hook, *_ in reversed(connection.run_on_commit[-4:]):
        if isinstance(hook, Tail):
            continue
        if not isinstance(hook, Flush) or savepoints != set(connection.savepoint_ids):
            return None
        if hook.destination is destination:
            return None if hook.closed else hook
        if hook.destination.local or destination.local:
            return None
    return None


def _last_tail(connection: BaseDatabaseWrapper, destination: Destination) -> Tail:
    """Return a tail that stands behind all flushes for a destination: the one that does, or a new one."""
    before, is_behind_all = None, True
    for _, hook, *_ in reversed(connection.run_on_commit):
        if isinstance(hook, Tail) and hook.destination is destination:
            before = hook
            break
        if not isinstance(hook, (Flush, Tail)) or hook.destination is destination:
            is_behind_all = False
    if before is not None and is_behind_all:
        return before
    tail = Tail(destination, [] if before is None else before.survivors)
    _register(connection, tail)
    # The tail must outlive the savepoints that are open now, as an earlier flush may. Django has no
    # way to say so: this alters the set that it looks at when a savepoint is rolled back.
    for savepoints, hook, *_ in connection.run_on_commit[-1:]:
        if hook is tail:
            savepoints.clear()
            if before is not None:
                before.is_last = False
    return tail


def _register(connection: BaseDatabaseWrapper, hook: Flush | Tail) -> None:
    robust = not may_raise(hook.destination)
    transaction.on_commit(hook, using=connection.alias, robust=robust)
