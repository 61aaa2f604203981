"""A job of the line's: the publications of one flush, which of them have begun, and their fates."""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import copy_context
from math import inf
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deferred_signals.publishing.patterns import Copy, Publication

    Fates = Mapping[int, "Failure | None"]

__all__ = ["Failure", "Job"]


class Failure(NamedTuple):
    """Why the broker is not known to have a publication.

    Attributes:
        error: the reason.
        is_certain: the broker does not have it, as it was never written, or was refused. Else it may have
            arrived.
    """

    error: Exception
    is_certain: bool = False


class Job:
    """The publications of one flush.

    Two threads share a job: the commit's, which waits, and the one that publishes. The commit waits
    for some time, and then takes the fates that are known. Fates that become known later are told by
    a call, in the context of the send, where tracers find the request's span.

    A handler of a Unix signal may interrupt either thread in the midst of a method, and send itself.
    So the lock is one that its thread can take again, and a queue stands for `threading.Event`, whose
    lock is not.

    Arguments:
        publications: what is to be published, in order.
        tell: is called with the fates that become known after the commit went on: by the places of
            the publications, None where the broker has one, else a failure.
        awaited_until: when the commit waits no longer, by `time.monotonic`.

    Attributes:
        awaited_until: the same; 0 when the commit has gone on.
        kept_until: when what has not begun is given up, by `time.monotonic`; infinity while the commit
            waits for it.
    """

    # Thousands may wait in memory.
    __slots__ = (
        "_begun",
        "_context",
        "_end",
        "_fates",
        "_is_taken",
        "_lock",
        "_open",
        "_tell",
        "awaited_until",
        "kept_until",
        "publications",
    )

    def __init__(
        self,
        publications: Sequence[Publication | Copy],
        tell: Callable[[Fates], object],
        awaited_until: float = 0.0,
    ) -> None:
        self.publications = publications
        self.awaited_until = awaited_until
        self.kept_until = inf
        self._tell = tell
        self._context = copy_context()
        self._begun = 0
        self._open = set(range(len(publications)))
        self._fates: dict[int, Failure | None] = {}
        self._is_taken = False
        self._end: SimpleQueue[None] = SimpleQueue()
        self._lock = threading.RLock()

    @property
    def not_begun(self) -> range:
        """Return the places of the publications that wait for their turn."""
        return range(self._begun, len(self.publications))

    @property
    def size(self) -> int:
        """Add up the bytes of the publications that wait for their turn."""
        return sum(publication.size for publication in self.publications[self._begun :])

    @property
    def is_done(self) -> bool:
        """Return whether all fates are known."""
        return not self._open

    def begin(self, count: int) -> None:
        """Note that so many of the publications are written now."""
        with self._lock:
            self._begun += count

    def begin_again(self, place: int) -> None:
        """Note that the broker dropped the publications from a place on, so that they wait again."""
        with self._lock:
            self._begun = min(self._begun, place)

    def settle(self, place: int, fate: Failure | None) -> None:
        """Note what became of a publication; its first fate counts."""
        with self._lock:
            if place in self._open:
                self._open.discard(place)
                self._fates[place] = fate
                if not self._open:
                    self._end.put(None)

    def end(self, error: Exception, *, begun: bool = True) -> None:
        """Give up the publications that have no fate.

        Arguments:
            error: why they are not known to be published.
            begun: whether those that were written are given up as well.
        """
        with self._lock:
            for place in sorted(self._open):
                if begun or place >= self._begun:
                    self.settle(place, Failure(error, is_certain=place >= self._begun))
            self._begun = len(self.publications)

    def wait(self, seconds: float) -> bool:
        """Wait for all fates, on the commit's thread, but not after `let_go`.

        Return whether all are known.
        """
        if not self.is_done:
            with suppress(Empty):
                self._end.get(timeout=max(0.0, seconds))
        return self.is_done

    def let_go(self) -> None:
        """Let the commit wait no longer."""
        self._end.put(None)

    def forget(self) -> None:
        """Give up what has not begun, and tell nobody of the whole job."""
        with self._lock:
            self._is_taken = False
            self._begun = len(self.publications)

    def take(self) -> Fates:
        """Return the fates that are known. All others will be told by a call."""
        with self._lock:
            self._is_taken = True
            self.awaited_until = 0.0
            fates, self._fates = self._fates, {}
            return fates

    def tell(self) -> None:
        """Tell the fates that became known since the commit took those before."""
        with self._lock:
            if not self._is_taken or not self._fates:
                return
            fates, self._fates = self._fates, {}
        self._context.run(self._tell, fates)
