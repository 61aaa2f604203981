"""Inside a ``TestCase``, where nothing commits: which blocks are the test's, and how others end.

``Atomic._from_testcase``, which is not documented, is read here alone. By it Django itself tells the
blocks of a test from others, for ``durable=True``. ``savepoint_ids`` and ``execute_wrappers`` of a
connection are attributes without an underscore, but not documented either.
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
    """Return whether a block is a ``TestCase``'s, and not one of the code under test."""
    return bool(_from_testcase(block))


def open_savepoints(connection: BaseDatabaseWrapper, test_blocks: int) -> list[str]:
    """Return the open savepoints of the code under test, the outermost first.

    Arguments:
        connection: on which the savepoints are.
        test_blocks: how many of the open blocks are the test's. They are the outermost ones.
    """
    # A TestCase's outermost block is the transaction itself: it has no savepoint, the others do.
    inner: Sequence[str | None] = connection.savepoint_ids[test_blocks - 1 :]
    return [sid for sid in inner if sid is not None]


class SavepointWatch:
    """An execute wrapper that notices how a block of the code under test ends, and each block inside it.

    It looks for the statements ``ROLLBACK TO SAVEPOINT`` and ``RELEASE SAVEPOINT``.

    Attributes:
        outermost: the savepoint of the outermost block.
    """

    def __init__(self, connection: BaseDatabaseWrapper, outermost: str) -> None:
        self.outermost = outermost
        self._savepoints: set[str] = set()
        self._connection = connection

    @classmethod
    def on(cls, connection: BaseDatabaseWrapper, savepoints: Sequence[str]) -> Self:
        """Return the watch of this kind for an outermost block; make it if there is none.

        Arguments:
            connection: on which the savepoints are.
            savepoints: those that are open, the outermost first. The watch looks after all of them.
        """
        for watch in cls.all(connection):
            if watch.outermost == savepoints[0]:
                break
        else:
            watch = cls(connection, savepoints[0])
            # At the front: Django's own `execute_wrapper()` removes the last one when it ends.
            connection.execute_wrappers.insert(0, watch)
        watch._savepoints.update(savepoints)
        return watch

    @classmethod
    def all(cls, connection: BaseDatabaseWrapper) -> list[Self]:
        """Return all watches of this kind."""
        return [item for item in connection.execute_wrappers if isinstance(item, cls)]

    def rolled_back(self, savepoint: str) -> None:
        """Note that everything since a savepoint was rolled back."""
        raise NotImplementedError

    def released(self) -> None:
        """Note that the outermost block ended without a rollback. The watch is over."""
        raise NotImplementedError

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Any
    ) -> Any:
        """Execute a statement, and check whether it ended a block."""
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
