"""The blocks that an eager run has of its own, where the caller has transactions open.

A worker runs a receiver in no transaction. An eager run is inside the transactions that the caller
has open, above all a ``TestCase``'s. Blocks of its own make up for that: Django takes them for a
``TestCase``'s, so the receiver may open a durable block, and the hooks that the receiver registered
with ``on_commit`` are called when the blocks have ended.

Two private parts of Django are used for this, here alone. ``Atomic._from_testcase`` marks a block as
a ``TestCase``'s (`deferred_signals.support.savepoints` reads it). ``connection.run_on_commit`` is the
list of hooks, which is put aside for the length of the run.
"""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections, transaction

from deferred_signals.support.records import about

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OwnBlocks", "open_aliases"]

logger = logging.getLogger("deferred_signals")


def open_aliases() -> list[str]:
    """Return the aliases of the databases on which this thread has transactions open."""
    found = connections.all(initialized_only=True)
    return [connection.alias for connection in found if connection.in_atomic_block]


class OwnBlocks:
    """One block on each database where a transaction is open: begun when made, and ended once."""

    def __init__(self, aliases: list[str]) -> None:
        self.are_open = True
        self._aliases = aliases
        self._blocks = ExitStack()
        # As Django keeps them: the savepoints around a hook, its function, whether it is robust.
        self._hooks: list[Any] = []
        for alias in aliases:
            connection: Any = connections[alias]  # its stubs know two parts of a hook
            # The first callback runs last: Django's list is put back when the block has ended.
            self._blocks.callback(self._take_hooks, connection, connection.run_on_commit)
            connection.run_on_commit = []
            block: Any = transaction.atomic(using=alias)
            block._from_testcase = True  # noqa: SLF001 - see above
            self._blocks.enter_context(block)

    def run(self, function: Callable[[], Any]) -> None:
        """Call a function, end the blocks, and call the hooks that it registered with ``on_commit``.

        After a database error the blocks are rolled back, since the error has broken the open
        transaction. After any other exception what the receiver wrote stays, as on a worker.
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
        """End the blocks; with ``undo``, roll back what was done in them."""
        self.are_open = False
        if undo:
            for alias in self._aliases:
                transaction.set_rollback(True, using=alias)
        try:
            self._blocks.close()
        except DatabaseError:
            # PostgreSQL does not release a savepoint after an error that the receiver itself
            # handled. Django has rolled back to the savepoint by now.
            logger.debug(
                "A block of an eager run was rolled back.",
                exc_info=True,
                extra=about("rolled_back"),
            )

    def abandon(self) -> None:
        """Roll back what was done in the blocks; call this in an ``except`` clause."""
        self.are_open = False
        self._blocks.__exit__(*sys.exc_info())

    def _call_hooks(self) -> None:
        """Call the hooks that were not rolled back, each in blocks of its own.

        Raises:
            Exception: what a hook raises that is not robust; those after it are not called.
        """
        while self._hooks:
            _, function, robust = self._hooks.pop(0)
            try:
                OwnBlocks(self._aliases).run(function)
            except Exception:
                if not robust:
                    raise
                name = getattr(function, "__qualname__", function)
                logger.exception(
                    "The robust on_commit() hook %s of a receiver failed",
                    name,
                    extra=about("hook_failed"),
                )

    def _take_hooks(self, connection: Any, before: list[Any]) -> None:
        self._hooks += connection.run_on_commit
        connection.run_on_commit = before
