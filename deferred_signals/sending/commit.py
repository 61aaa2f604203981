"""Bound to the commit: nothing leaves before the transaction did, and nothing of a rollback.

Django's own ``run_on_commit`` is the buffer, so savepoints and rollbacks are Django's too. Sends
that follow one another under the same savepoints share one hook, which publishes them in one
batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections, transaction
from django.db.transaction import TransactionManagementError

from deferred_signals import conf
from deferred_signals.sending.testcase import defer_in_testcase, in_testcase
from deferred_signals.sending.ways import current_way

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.sending.outgoing import Outgoing
    from deferred_signals.sending.ways import Way

__all__ = ["Flush", "defer"]


class Flush:
    """The hook on a transaction: what it gathered leaves when the transaction is committed."""

    def __init__(self, way: Way) -> None:
        # Django logs the name of a robust hook that fails, and instances have none.
        self.__qualname__ = type(self).__qualname__
        self.way = way
        self.done = False
        self._gathered: list[Outgoing] = []

    def add(self, outgoing: Outgoing) -> None:
        """Take one more message of the same transaction."""
        self._gathered.append(outgoing)

    def __call__(self) -> None:
        """Let go what was gathered."""
        self.done = True
        gathered, self._gathered = self._gathered, []
        self.way.leave(gathered)


def defer(outgoing: Outgoing, *, immediate: bool) -> None:
    """Let a message leave when its transaction commits; at once where there is none.

    Arguments:
        outgoing: the message, which names its database.
        immediate: do not wait for the commit.

    Raises:
        TransactionManagementError: autocommit is off and no transaction is open.
    """
    way = current_way()
    connection = connections[outgoing.message.using]
    if immediate:
        way.leave([outgoing])
    elif connection.in_atomic_block:
        if way.local and in_testcase(connection):
            defer_in_testcase(connection, outgoing, way.leave)
        else:
            _hook(connection, way).add(outgoing)
    elif connection.get_autocommit():
        way.leave([outgoing])
    else:
        raise TransactionManagementError(
            f"The deferred receiver {outgoing.message.receiver!r} waits for a commit on "
            f"{outgoing.message.using!r}, whose autocommit is off and which has no transaction "
            f"that could be followed. Send inside transaction.atomic()."
        )


def _hook(connection: BaseDatabaseWrapper, way: Way) -> Flush:
    """The hook that the next message belongs to: the last one, if nothing came between."""
    pending = connection.run_on_commit
    if pending and not in_testcase(connection):
        savepoints, last, *_ = pending[-1]
        if (
            isinstance(last, Flush)
            and not last.done
            and last.way is way
            and savepoints == set(connection.savepoint_ids)
        ):
            return last
    hook = Flush(way)
    robust = not (way.raises and conf.current().EAGER_PROPAGATES)
    transaction.on_commit(hook, using=connection.alias, robust=robust)
    return hook
