"""The blocks that a run in this process has of its own, where the caller's transactions are open.

A worker runs a receiver in no transaction of anybody's. Here the run is inside those that are open,
a ``TestCase``'s above all. Its own blocks make it as if it were in none: they count as a
``TestCase``'s, so that the receiver may open a durable block, and what the receiver registered with
``on_commit`` is called when they have ended.

They are marked by ``Atomic._from_testcase``, which `deferred_signals.support.savepoints` reads.
"""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections, transaction

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OwnBlocks", "open_aliases"]

logger = logging.getLogger("deferred_signals")


def open_aliases() -> list[str]:
    """Return the databases on which transactions are open in this thread."""
    found = connections.all(initialized_only=True)
    return [connection.alias for connection in found if connection.in_atomic_block]


class OwnBlocks:
    """One block on each database where a transaction is open; begun when made, ended once."""

    def __init__(self, aliases: list[str]) -> None:
        self.are_open = True
        self._aliases = aliases
        self._blocks = ExitStack()
        # As Django keeps them: the savepoints around each, the function, whether it may fail.
        self._hooks: list[Any] = []
        for alias in aliases:
            connection: Any = connections[alias]  # its stubs know two parts of a hook
            # First: it is put back when the block has ended.
            self._blocks.callback(self._take_hooks, connection, connection.run_on_commit)
            connection.run_on_commit = []
            block: Any = transaction.atomic(using=alias)
            block._from_testcase = True  # noqa: SLF001 - see above
            self._blocks.enter_context(block)

    def run(self, function: Callable[[], Any]) -> None:
        """Call a function, end the blocks, and call what it registered with ``on_commit``.

        A database error breaks the transaction that is open, so only that undoes what was done:
        what else a receiver wrote before it failed stays, as it would on a worker.
        """
        try:
            function()
        except DatabaseError:
            self.end(undo=True)
            raise
        except Exception:
            self.end(undo=False)
            self._call_hooks()
            raise
        except BaseException:
            self.abandon()
            raise
        self.end(undo=False)
        self._call_hooks()

    def end(self, *, undo: bool) -> None:
        """End the blocks, and undo what was done in them, if that is asked for."""
        self.are_open = False
        if undo:
            for alias in self._aliases:
                transaction.set_rollback(True, using=alias)
        try:
            self._blocks.close()
        except DatabaseError:
            # PostgreSQL does not release a savepoint after an error that the receiver itself
            # handled; Django has rolled back to it by now.
            logger.debug("A block of a run was rolled back.", exc_info=True)

    def abandon(self) -> None:
        """End the blocks in an ``except`` clause: undo what was done in them."""
        self.are_open = False
        self._blocks.__exit__(*sys.exc_info())

    def _call_hooks(self) -> None:
        """Call what was not rolled back, each hook in blocks of its own.

        Raises:
            Exception: that of a hook that is not robust; those after it are not called.
        """
        while self._hooks:
            _, function, robust = self._hooks.pop(0)
            try:
                OwnBlocks(self._aliases).run(function)
            except Exception:
                if not robust:
                    raise
                name = getattr(function, "__qualname__", function)
                logger.exception("The robust on_commit() hook %s of a receiver failed", name)

    def _take_hooks(self, connection: Any, before: list[Any]) -> None:
        self._hooks += connection.run_on_commit
        connection.run_on_commit = before
