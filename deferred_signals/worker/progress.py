"""How far a chunk got, in memory that a worker's parent shares with the children it forks.

When a child dies in the midst of a chunk, the parent has to know which of the chunk's calls are
through, which one ran, and which had not begun. A child that is killed can tell nothing more, so it
notes each step before it takes it.

The memory is there before any child is forked, since a worker imports this module when it starts.
Where parent and child share no memory, no call seems to have begun: all calls are tried again, and
none is charged. That cannot go on for ever, since each call is a message of its own from then on.
"""

from __future__ import annotations

from collections import deque
from mmap import mmap
from weakref import finalize

__all__ = ["SLOT", "Progress"]

#: The name among a request's properties by which the parent tells the child its place in memory.
SLOT = "deferred_signals.progress"

#: Chunks that a parent can keep an account of at a time, those that wait for their turn included.
SLOTS = 4096

#: Numbers kept for each chunk: calls begun, calls through, and whether the parent has taken over.
CELLS = 3
BEGUN, THROUGH, ENDED = range(CELLS)

#: Bytes of one number.
SIZE = 4

_memory = memoryview(mmap(-1, SLOTS * CELLS * SIZE)).cast("I")
_free = deque(range(SLOTS))


class Progress:
    """How many calls of one chunk have begun, and how many are through; calls run in order.

    >>> progress = Progress()
    >>> progress.begin()
    >>> (progress.begun, progress.through)
    (1, 0)
    >>> progress.end()
    >>> (progress.begun, progress.through)
    (1, 1)
    """

    def __init__(self, slot: int | None = None) -> None:
        #: The place in the shared memory; None for an account that nobody else sees.
        self.slot = slot
        self._cells = (
            memoryview(bytearray(CELLS * SIZE)).cast("I")
            if slot is None
            else _memory[slot * CELLS : (slot + 1) * CELLS]
        )

    @classmethod
    def shared(cls) -> Progress:
        """Open an account in the parent that a child can write, for as long as this object lives."""
        try:
            slot = _free.popleft()
        except IndexError:
            return cls()
        progress = cls(slot)
        for cell in range(CELLS):
            progress._cells[cell] = 0
        finalize(progress, _free.append, slot).atexit = False
        return progress

    @classmethod
    def at(cls, slot: object) -> Progress:
        """Open, in the child, the account that the parent keeps, or one of its own if there is none."""
        return cls(slot if isinstance(slot, int) and 0 <= slot < SLOTS else None)

    @property
    def begun(self) -> int:
        """Count the calls that were about to run, or more."""
        return max(self._cells[BEGUN], self.through)

    @property
    def through(self) -> int:
        """Count the calls that are through: settled, or gone on as messages of their own."""
        return self._cells[THROUGH]

    @property
    def ended(self) -> bool:
        """Tell whether the parent has taken over: no further call may begin."""
        return bool(self._cells[ENDED])

    def begin(self) -> None:
        """Note that the next call is about to run."""
        self._cells[BEGUN] = self._cells[THROUGH] + 1

    def end(self) -> None:
        """Note that the next call is through, whether it ran or not."""
        self._cells[THROUGH] += 1

    def take_over(self) -> None:
        """Let the child begin no further call, in the moments before the parent kills it."""
        self._cells[ENDED] = 1
