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
from itertools import count
from typing import TYPE_CHECKING, Any

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
    if flush.count == 1:
        flush.savepoints_before = connection.savepoint_state
    if flush.tail is None and (flush.count >= MOST_ROWS or flush.size >= MOST_CHARACTERS):
        has_order = any(outgoing.order_key for outgoing in flush.gathered)
        if flush.savepoints_before == connection.savepoint_state and not has_order:
            commit.write([flush])
        else:
            # Code may have made a savepoint by hand meanwhile. Its rollback would take rows with it that
            # were sent before, and would leave this hook. And rows of an order must not be older than
            # those of sends before them, which still wait for the COMMIT.
            flush.closed = True


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

    def __call__(self) -> None:
        """Write what survived, and commit."""
        connection = self._connection
        commit = self._before or type(connection).commit.__get__(connection)
        if not connection.in_atomic_block:  # else Django refuses to commit
            try:
                self._take_back()
                self.write(self._hooks())
            except BaseException:
                # Django rolls back for a DatabaseError, and only where `atomic` commits. After any other
                # error it switches autocommit on, which MySQL and SQLite take as COMMIT.
                _undo(connection)
                raise
        commit()

    def write(self, flushes: Sequence[Flush]) -> None:
        """Write the messages of hooks that are not written yet; those then only publish wake-ups."""
        flushes = [flush for flush in flushes if flush.gathered]
        batch = [outgoing for flush in flushes for outgoing in flush.gathered]
        if any(flush.tail is not None for flush in flushes):
            batch = coalesced(batch)
        if not batch:
            return
        places = self._places()
        positions = [places[outgoing.message.id] for outgoing in batch]
        wakings = write(self._connection, batch, positions)
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

    def _hooks(self) -> list[Flush]:
        """Return the hooks that survived, in the order of their sends."""
        return [
            hook
            for _savepoints, hook, *_ in self._connection.run_on_commit
            if isinstance(hook, Flush) and hook.destination is self._destination
        ]

    def _places(self) -> dict[str, int]:
        """Count the messages that survived; return the places of those that are not written yet."""
        places: dict[str, int] = {}
        place = 0
        for flush in self._hooks():
            ids = [outgoing.message.id for outgoing in flush.gathered]
            places.update(zip(ids, count(place), strict=False))
            place += flush.count
        return places


def _undo(connection: BaseDatabaseWrapper) -> None:
    try:
        connection.rollback()
    except BaseException as error:
        connection.close()  # the connection is broken, and what is closed is not committed
        if not isinstance(error, Exception):
            raise
