"""The ends of blocks as the database is told of them: for blocks whose ``__exit__`` is not seen.

Such a block was open before a testing mode or eager mode began. An execute wrapper waits for its
``RELEASE SAVEPOINT``; a ``ROLLBACK TO SAVEPOINT`` drops what was sent inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deferred_signals.sending.coalesce import coalesced

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.sending.outgoing import Outgoing

    Leave = Callable[[Sequence[Outgoing]], None]

__all__ = ["defer_to_savepoint", "waiting_for_savepoints"]


def defer_to_savepoint(
    connection: BaseDatabaseWrapper, savepoints: list[str], outgoing: Outgoing, leave: Leave
) -> None:
    """Let a message leave when the first of the open savepoints is released.

    Arguments:
        connection: on which they are.
        savepoints: those that are open, the outermost first.
        outgoing: the message; it is dropped when any of them is rolled back.
        leave: called with the messages that survived.
    """
    for wrapper in connection.execute_wrappers:
        if isinstance(wrapper, _Watch) and wrapper.outermost == savepoints[0]:
            break
    else:
        wrapper = _Watch(connection, savepoints[0], leave)
        # In front: Django's own `execute_wrapper()` leaves by popping the last one.
        connection.execute_wrappers.insert(0, wrapper)
    wrapper.gathered.append((frozenset(savepoints), outgoing))


def waiting_for_savepoints(connection: BaseDatabaseWrapper) -> list[Outgoing]:
    """Return the messages that wait for a savepoint."""
    watches = [item for item in connection.execute_wrappers if isinstance(item, _Watch)]
    return [outgoing for watch in watches for _, outgoing in watch.gathered]


class _Watch:
    """An execute wrapper that sees one block end."""

    def __init__(self, connection: BaseDatabaseWrapper, outermost: str, leave: Leave) -> None:
        self.outermost = outermost
        self.gathered: list[tuple[frozenset[str], Outgoing]] = []
        self._connection = connection
        self._leave = leave

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: Any,
        context: Any,
    ) -> Any:
        result = execute(sql, params, many, context)
        if isinstance(sql, str) and "SAVEPOINT" in sql:
            self._see(sql)
        return result

    def _see(self, sql: str) -> None:
        ops = self._connection.ops
        for sid in {sid for savepoints, _ in self.gathered for sid in savepoints}:
            if sql == ops.savepoint_rollback_sql(sid):
                self.gathered = [entry for entry in self.gathered if sid not in entry[0]]
        if sql == ops.savepoint_commit_sql(self.outermost):
            self._connection.execute_wrappers.remove(self)
            gathered, self.gathered = self.gathered, []
            if gathered:
                self._leave(coalesced([outgoing for _, outgoing in gathered]))
