"""A job of the line's: the publications of one flush, and what became of them."""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from deferred_signals.sending.patterns import Copy, Publication

__all__ = ["Job"]


class Job:
    """The publications of one flush, and what became of them.

    Two threads share it: the one that publishes, and the one that waits and may end the wait.
    """

    def __init__(self, publications: Sequence[Publication | Copy]) -> None:
        self.publications = publications
        self.results: list[Exception | None] = [None] * len(publications)
        self.done = threading.Event()
        #: Tracers find the request's span in it.
        self.context = copy_context()
        self._open = set(range(len(publications)))
        self._begun = 0
        self._lock = threading.Lock()

    def begin(self, count: int) -> range:
        """The places of the publications whose turn it is; none where the wait was ended."""
        with self._lock:
            if self.done.is_set():
                return range(0)
            begun = range(self._begun, min(self._begun + count, len(self.publications)))
            self._begun = begun.stop
            return begun

    def settle(self, start: int, places: Collection[int], error: Exception | None = None) -> None:
        """Note that the broker has some, or why it will not; by their places in a slice."""
        with self._lock:
            settled = self._open.intersection(start + place for place in places)
            self._open -= settled
            if error is not None:
                for place in settled:
                    self.results[place] = error
            if not self._open:
                self.done.set()

    def end(self, error: Exception) -> None:
        """Give up all that is not settled; it will not be begun any more."""
        with self._lock:
            for place in self._open:
                self.results[place] = error
            self._open.clear()
            self.done.set()
