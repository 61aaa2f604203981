"""A job of the line's: the publications of one flush, and what became of them."""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from deferred_signals.publishing.patterns import Copy, Publication

__all__ = ["Job"]


class Job:
    """The publications of one flush, and what became of them.

    Two threads share it: the one that publishes, and the one that waits and may end the wait. A
    handler of a Unix signal may interrupt either in the midst of a method, and send itself. So the
    lock is one that its thread can take again, and a queue stands for `threading.Event`, whose lock
    is not.

    Attributes:
        publications: what is to be published.
        results: for each publication why the broker is not known to have it; else None.
        context: the sender's, in which tracers find the request's span.
        is_done: nothing more will come to be known.
    """

    def __init__(self, publications: Sequence[Publication | Copy]) -> None:
        self.publications = publications
        self.results: list[Exception | None] = [None] * len(publications)
        self.context = copy_context()
        self.is_done = False
        self._end: SimpleQueue[None] = SimpleQueue()
        self._open = set(range(len(publications)))
        self._begun = 0
        self._lock = threading.RLock()

    def begin(self, count: int) -> range:
        """The places of the publications whose turn it is; none where the wait was ended."""
        with self._lock:
            if self.is_done:
                return range(0)
            begun = range(self._begun, min(self._begun + count, len(self.publications)))
            self._begun = begun.stop
            return begun

    def wait(self, seconds: float) -> bool:
        """Wait for the end, on the one thread that does; gives whether it has come."""
        if not self.is_done:
            with suppress(Empty):
                self._end.get(timeout=seconds)
        return self.is_done

    def settle(self, start: int, places: Collection[int], error: Exception | None = None) -> None:
        """Note that the broker has some, or why it will not; by their places in a slice."""
        with self._lock:
            settled = self._open.intersection(start + place for place in places)
            self._open -= settled
            if error is not None:
                for place in settled:
                    self.results[place] = error
            if not self._open:
                self._finish()

    def end(self, error: Exception) -> None:
        """Give up all that is not settled; it will not be begun any more."""
        with self._lock:
            given_up, self._open = self._open, set()
            for place in given_up:
                self.results[place] = error
            self._finish()

    def _finish(self) -> None:
        self.is_done = True
        self._end.put(None)
