"""Where nothing commits: which blocks are a ``TestCase``'s, and how the savepoints of others end.

``Atomic._from_testcase`` is read here alone. By it Django itself tells the blocks of a test from
others, for ``durable=True``.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.transaction import Atomic

__all__ = ["SavepointWatch", "is_of_a_test", "open_savepoints"]

_from_testcase = attrgetter("_from_testcase")


def is_of_a_test(block: Atomic) -> bool:
    """Return whether a block counts as a ``TestCase``'s, and not as one of the code under test."""
    return bool(_from_testcase(block))


def open_savepoints(connection: BaseDatabaseWrapper, test_blocks: int) -> list[str]:
    """Return the open savepoints of the code under test, the outermost first.

    Arguments:
        connection: on which they are.
        test_blocks: how many of the open blocks, the outermost ones, are the test's.
    """
    # A TestCase's outermost block is the transaction itself: it has no savepoint, the others do.
    inner: Sequence[str | None] = connection.savepoint_ids[test_blocks - 1 :]
    return [sid for sid in inner if sid is not None]


class SavepointWatch:
    """An execute wrapper that sees one block of the code under test, and those inside it, end.

    The database is told of each end: by ``ROLLBACK TO SAVEPOINT``, or by ``RELEASE SAVEPOINT``.
    """

    def __init__(self, connection: BaseDatabaseWrapper, outermost: str) -> None:
        self.outermost = outermost
        self._savepoints: set[str] = set()
        self._connection = connection

    @classmethod
    def on(cls, connection: BaseDatabaseWrapper, savepoints: Sequence[str]) -> Self:
        """Have this kind of watch over savepoints: one for all of an outermost block.

        Arguments:
            connection: on which they are.
            savepoints: those that are open, the outermost first.
        """
        for watch in cls.all(connection):
            if watch.outermost == savepoints[0]:
                break
        else:
            watch = cls(connection, savepoints[0])
            # In front: Django's own `execute_wrapper()` leaves by popping the last one.
            connection.execute_wrappers.insert(0, watch)
        watch._savepoints.update(savepoints)
        return watch

    @classmethod
    def all(cls, connection: BaseDatabaseWrapper) -> list[Self]:
        """Return the watches of this kind."""
        return [item for item in connection.execute_wrappers if isinstance(item, cls)]

    def rolled_back(self, savepoint: str) -> None:
        """Take note that what was done since a savepoint was taken back."""
        raise NotImplementedError

    def released(self) -> None:
        """Take note that the outermost block ended well; the watch is over."""
        raise NotImplementedError

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Any
    ) -> Any:
        """Execute a statement, and look whether it ended a block."""
        result = execute(sql, params, many, context)
        if isinstance(sql, str) and "SAVEPOINT" in sql:
            self._see(sql)
        return result

    def _see(self, sql: str) -> None:
        ops = self._connection.ops
        for sid in self._savepoints:
            if sql == ops.savepoint_rollback_sql(sid):
                self.rolled_back(sid)
        if sql == ops.savepoint_commit_sql(self.outermost):
            self._connection.execute_wrappers.remove(self)
            self.released()
