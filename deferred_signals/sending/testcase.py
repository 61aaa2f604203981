"""Eager mode inside Django's ``TestCase``, whose own transaction never commits.

There the test's blocks do not count: receivers run when the outermost block of the code under
test ends well. The end is seen as Django sends it to the database, by an execute wrapper that
waits for the block's ``RELEASE SAVEPOINT``; a ``ROLLBACK TO SAVEPOINT`` drops what was sent
inside. No ``on_commit`` hook is registered, so that ``captureOnCommitCallbacks`` runs nothing
twice.

This is the one place that reads ``Atomic._from_testcase``, by which Django itself tells the
test's blocks from others (for ``durable=True``).
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from deferred_signals.sending.coalesce import coalesced

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.sending.outgoing import Outgoing

    Leave = Callable[[Sequence[Outgoing]], None]

__all__ = ["defer_in_testcase", "in_testcase", "waiting_in_testcase"]


def in_testcase(connection: BaseDatabaseWrapper) -> bool:
    """Whether the outermost open block is a ``TestCase``'s."""
    return _testcase_blocks(connection) > 0


def defer_in_testcase(connection: BaseDatabaseWrapper, outgoing: Outgoing, leave: Leave) -> None:
    """Let a message leave when the outermost block of the code under test ends; else at once.

    Arguments:
        connection: whose block, inside a ``TestCase``.
        outgoing: the message.
        leave: called with the messages that survived.
    """
    # A TestCase's outermost block is the transaction itself: it has no savepoint, the others do.
    inner: Sequence[str | None] = connection.savepoint_ids[_testcase_blocks(connection) - 1 :]
    savepoints = [sid for sid in inner if sid is not None]
    if not savepoints:
        leave([outgoing])
        return
    for wrapper in connection.execute_wrappers:
        if isinstance(wrapper, _Watch) and wrapper.outermost == savepoints[0]:
            break
    else:
        wrapper = _Watch(connection, savepoints[0], leave)
        # In front: Django's own `execute_wrapper()` leaves by popping the last one.
        connection.execute_wrappers.insert(0, wrapper)
    wrapper.gathered.append((frozenset(savepoints), outgoing))


def waiting_in_testcase(connection: BaseDatabaseWrapper) -> list[Outgoing]:
    """The messages that wait for a block of the code under test to end."""
    watches = [item for item in connection.execute_wrappers if isinstance(item, _Watch)]
    return [outgoing for watch in watches for _, outgoing in watch.gathered]


def _testcase_blocks(connection: BaseDatabaseWrapper) -> int:
    return sum(map(_is_from_testcase, connection.atomic_blocks))


_is_from_testcase = attrgetter("_from_testcase")


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
