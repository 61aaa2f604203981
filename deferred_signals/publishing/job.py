"""A job of the line: the publications of one flush, and what became of them."""

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

    Two threads share a job: the one that publishes, and the one that waits and may end the wait. A
    handler of a Unix signal may interrupt either thread in the middle of a method, and send. So the lock
    is one that its holder can take again. A queue is used in place of a `threading.Event`, whose lock
    cannot be taken again.

    Attributes:
        publications: what is to be published.
        results: for each publication, why the broker is not known to have it; None if it has it.
        context: the sender's context, in which tracers find the request's span.
        is_done: every result is final.
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
        """Return the places of the publications to publish next; none if the wait was ended."""
        with self._lock:
            if self.is_done:
                return range(0)
            begun = range(self._begun, min(self._begun + count, len(self.publications)))
            self._begun = begun.stop
            return begun

    def wait(self, seconds: float) -> bool:
        """Wait until every result is final, on the one thread that waits; return whether it is so."""
        if not self.is_done:
            with suppress(Empty):
                self._end.get(timeout=seconds)
        return self.is_done

    def settle(self, start: int, places: Collection[int], error: Exception | None = None) -> None:
        """Note that the broker has some publications, or why it refused them.

        Arguments:
            start: the place in the job of the slice that was published.
            places: of the publications in the slice.
            error: the refusal; None if the broker has them.
        """
        with self._lock:
            settled = self._open.intersection(start + place for place in places)
            self._open -= settled
            if error is not None:
                for place in settled:
                    self.results[place] = error
            if not self._open:
                self._finish()

    def end(self, error: Exception) -> None:
        """Give up what is not settled: it is not begun any more."""
        with self._lock:
            given_up, self._open = self._open, set()
            for place in given_up:
                self.results[place] = error
            self._finish()

    def _finish(self) -> None:
        self.is_done = True
        self._end.put(None)
