"""Write the rows of a transaction right before its COMMIT, in the same transaction.

Django calls ``commit()`` of a connection when the outermost block ends. At that moment the hooks in
``run_on_commit`` are what survived all savepoints. So a durable message registers its hook like any
other, and replaces ``commit`` of that connection for once: the replacement writes the rows, and calls
the ``commit`` that was there. Django documents neither ``run_on_commit`` nor that `atomic` calls
``commit()`` on the connection itself, so this one file holds what depends on it.

If a row cannot be written, the transaction is rolled back, and its caller gets the error.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError

from deferred_signals.outbox.writing import write
from deferred_signals.publishing.waking import wake
from deferred_signals.sending.coalesce import coalesced
from deferred_signals.sending.flush import Flush

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.sending.destinations import Destination

__all__ = ["write_at_commit"]

#: What a hook gathers at most, as a loop may send a hundred thousand messages in one transaction. More
#: is written at once: in the same savepoints, with which a rollback takes it back.
MOST_ROWS, MOST_CHARACTERS = 2000, 8 * 1024 * 1024


def write_at_commit(
    connection: BaseDatabaseWrapper, flush: Flush, destination: Destination
) -> None:
    """Have the messages of a hook written by the COMMIT; call this for each message that joins it.

    Arguments:
        connection: of the open transaction.
        flush: the hook.
        destination: tells hooks of durable messages from others.

    Raises:
        django.db.Error: the hook held so many that they were written now, and the database refuses.
    """
    commit: Any = vars(connection).get("commit")
    if not isinstance(commit, _Commit):
        commit = _Commit(connection, destination)
        connection.commit = commit  # type: ignore[method-assign]  # it is put back
    if flush.tail is None and (flush.count >= MOST_ROWS or flush.size >= MOST_CHARACTERS):
        commit.write([flush])


class _Commit:
    """The ``commit`` of a connection that is in a transaction with durable messages.

    Arguments:
        connection: the connection.
        destination: that of the hooks whose messages are not written yet.
    """

    def __init__(self, connection: BaseDatabaseWrapper, destination: Destination) -> None:
        self._connection = connection
        self._destination = destination
        #: What was there: a replacement of another library's, or nothing beside the class's method.
        self._before: Callable[[], None] | None = vars(connection).get("commit")
        self._position = 0

    def __call__(self) -> None:
        """Write what survived, and commit."""
        connection = self._connection
        try:
            commit = self._before or type(connection).commit.__get__(connection)
            self._take_back()
            self.write(self._surviving())
        except DatabaseError:
            raise  # Django rolls back
        except BaseException:
            # Django would not, and would then switch autocommit on: MySQL and SQLite take that as COMMIT.
            _undo(connection)
            raise
        commit()

    def write(self, flushes: Sequence[Flush]) -> None:
        """Write the messages of hooks, which then only publish wake-ups."""
        batch = [outgoing for flush in flushes for outgoing in flush.gathered]
        if any(flush.tail is not None for flush in flushes):
            batch = coalesced(batch)
        if not batch:
            return
        wakings = write(self._connection, batch, self._position)
        self._position += len(batch)
        for flush in flushes:
            ids = [outgoing.message.id for outgoing in flush.gathered]
            flush.become(partial(wake, [wakings[id_] for id_ in ids if id_ in wakings]))

    def _take_back(self) -> None:
        """Put back exactly what was there, unless somebody replaced this."""
        if vars(self._connection).get("commit") is not self:
            return
        if self._before is None:
            del self._connection.commit
        else:
            self._connection.commit = self._before

    def _surviving(self) -> list[Flush]:
        """Return the hooks that survived, and whose messages are not written."""
        return [
            hook
            for _savepoints, hook, *_ in self._connection.run_on_commit
            if isinstance(hook, Flush) and hook.destination is self._destination and hook.gathered
        ]


def _undo(connection: BaseDatabaseWrapper) -> None:
    try:
        connection.rollback()
    except Exception:  # noqa: BLE001 - the connection is broken, and what is closed is not committed
        connection.close()
