"""Defer inside a ``TestCase``, whose own transaction never commits, what stays in this process.

The test's own blocks do not count. Receivers run when the outermost block of the code under test
ends well, with a savepoint or without one, and then they see what a worker would see. What was
sent in a block that is rolled back is dropped. With no block open, receivers run at the send. No
``on_commit`` hook is registered, so that ``captureOnCommitCallbacks`` runs nothing twice.

In eager and testing modes receivers run in blocks of their own, which count as the test's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from deferred_signals.sending.endings import End, is_seen, listen, look_for_eager_mode
from deferred_signals.sending.savepoints import (
    defer_to_savepoint,
    hand_over,
    waiting_for_savepoints,
)
from deferred_signals.support.savepoints import is_of_a_test, open_savepoints

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.transaction import Atomic

    from deferred_signals.message.outgoing import Outgoing

    Take = Callable[[Sequence[Outgoing]], None]

__all__ = ["defer_in_testcase", "in_testcase", "waiting_in_testcase"]


def in_testcase(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a ``TestCase``'s block is open."""
    return _blocks_of_the_test(connection) > 0


def defer_in_testcase(connection: BaseDatabaseWrapper, outgoing: Outgoing, take: Take) -> None:
    """Hand a message over when the outermost block of the code under test ends; at once with none open.

    Arguments:
        connection: whose block, inside a ``TestCase``.
        outgoing: the message.
        take: takes the messages that survived.
    """
    before = _blocks_of_the_test(connection)
    blocks = connection.atomic_blocks[before:]
    if blocks and is_seen(blocks[0]):
        waiting = _waiting.setdefault(connection, _Waiting())
        listen(connection, waiting)
        waiting.add(connection, outgoing, take)
        return
    look_for_eager_mode()  # code may have switched Celery's own, which tells nobody
    savepoints = open_savepoints(connection, before)
    if savepoints:
        defer_to_savepoint(connection, savepoints, outgoing, take)
    else:
        take([outgoing])


def waiting_in_testcase(connection: BaseDatabaseWrapper) -> list[Outgoing]:
    """Return the messages that wait for a block of the code under test to end."""
    waiting = _waiting.get(connection, _Waiting())
    seen = [entry.outgoing for entry in waiting.current(connection)]
    return [*waiting_for_savepoints(connection), *seen]


def _blocks_of_the_test(connection: BaseDatabaseWrapper) -> int:
    """Count the open blocks up to the innermost one that is the test's, or a run's."""
    blocks = connection.atomic_blocks
    return next(
        (place for place in range(len(blocks), 0, -1) if is_of_a_test(blocks[place - 1])), 0
    )


@dataclass
class _Entry:
    """A message that waits, with the blocks that it is inside of."""

    blocks: list[Atomic]
    outgoing: Outgoing
    take: Take


class _Waiting:
    """The messages that wait on one connection for blocks to end."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def current(self, connection: BaseDatabaseWrapper) -> list[_Entry]:
        """Return the messages whose blocks are still open; forget those whose blocks other code ended."""
        blocks = connection.atomic_blocks
        self._entries = [
            item for item in self._entries if item.blocks == blocks[: len(item.blocks)]
        ]
        return self._entries

    def add(self, connection: BaseDatabaseWrapper, outgoing: Outgoing, take: Take) -> None:
        """Let a message wait for the blocks that are open."""
        self.current(connection).append(_Entry([*connection.atomic_blocks], outgoing, take))

    def block_ended(self, connection: BaseDatabaseWrapper, depth: int, end: End) -> None:
        """Drop what was rolled back; hand over what is in no block of the code under test any more."""
        ended = [entry for entry in self._entries if len(entry.blocks) >= depth]
        if not ended:
            return
        is_outermost = depth - 1 == _blocks_of_the_test(connection)
        if end is End.ROLLED_BACK or is_outermost:
            self._entries = [entry for entry in self._entries if len(entry.blocks) < depth]
        for entry in ended:
            del entry.blocks[depth - 1 :]
        if end is End.KEPT and is_outermost:
            hand_over((entry.outgoing, entry.take) for entry in ended)


_waiting: WeakKeyDictionary[BaseDatabaseWrapper, _Waiting] = WeakKeyDictionary()
