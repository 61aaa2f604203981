"""The jobs that wait in the line for their turn, and how many of them may be kept."""

from __future__ import annotations

import threading
from itertools import groupby
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from deferred_signals.conf import Settings
    from deferred_signals.publishing.job import Job
    from deferred_signals.publishing.patterns import Copy, Publication

__all__ = ["Entry", "Waiting"]

#: How many publications, and bytes of them, leave as one batch. A single one may have more bytes.
MOST_PUBLICATIONS = 500
MOST_BYTES = 1024 * 1024

#: What may wait for its turn, where nobody waits for it: the settings may allow that nothing is kept.
LEAST_KEPT, LEAST_BYTES_KEPT = 10_000, 32 * 1024 * 1024


class Entry(NamedTuple):
    """One publication of a batch: its job, and its place in that."""

    job: Job
    place: int

    @property
    def publication(self) -> Publication | Copy:
        """Return the publication."""
        return self.job.publications[self.place]

    def settle(self, fate: Exception | None) -> None:
        """Note what became of the publication."""
        self.job.settle(self.place, fate)


class Waiting:
    """Jobs that wait for their turn, the oldest first.

    A commit waits for its own job for some time. What has not begun when the commit goes on is kept,
    within the limits ``KEEP_FOR``, ``KEEP_MESSAGES`` and ``KEEP_BYTES``.

    Arguments:
        settings: gives the limits.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._jobs: list[Job] = []
        self._kept: dict[Job, tuple[int, int]] = {}
        self._count = self._bytes = 0
        # The thread that holds the lock can take it again: a handler of a Unix signal may send.
        self._lock = threading.RLock()

    def __bool__(self) -> bool:
        return bool(self._jobs)

    @property
    def jobs(self) -> Sequence[Job]:
        """Return the jobs, as they are now."""
        return tuple(self._jobs)

    def add(self, job: Job) -> None:
        """Let a job wait behind all others."""
        with self._lock:
            self._jobs.append(job)

    def next_batch(self) -> list[Entry]:
        """Return the publications whose turn it is: as many as may leave together."""
        batch: list[Entry] = []
        size = 0
        with self._lock:
            for job in self._jobs:
                for place in job.not_begun:
                    size += job.publications[place].size
                    if batch and (len(batch) == MOST_PUBLICATIONS or size > MOST_BYTES):
                        return batch
                    batch.append(Entry(job, place))
        return batch

    def begin(self, batch: Iterable[Entry]) -> None:
        """Note that a batch, or the first part of one, is written now."""
        with self._lock:
            for job, entries in groupby(batch, key=lambda entry: entry.job):
                job.begin(len(list(entries)))
            self._forget_empty()

    def begin_again(self, batch: Iterable[Entry]) -> None:
        """Let publications that the broker dropped wait before all others."""
        with self._lock:
            before = []
            for job, entries in groupby(batch, key=lambda entry: entry.job):
                job.begin_again(next(entries).place)
                if job not in self._jobs:
                    before.append(job)
            self._jobs[:0] = before

    def keep(self, job: Job, reason: Exception, *, had_its_time: bool = True) -> None:
        """Keep what has not begun of a job whose commit goes on; give it up if there is no room.

        Arguments:
            job: the job.
            reason: why it has not begun.
            had_its_time: somebody has waited for it, or the broker is away; else it is kept for as long
                as an answer may take, whatever the settings say.
        """
        with self._lock:
            settings = self._settings()
            count, size = len(job.not_begun), job.size
            keep_for, most, most_bytes = (
                settings.KEEP_FOR,
                settings.KEEP_MESSAGES,
                settings.KEEP_BYTES,
            )
            if not had_its_time:
                keep_for = max(keep_for, settings.CONNECT_TIMEOUT)
                most, most_bytes = max(most, LEAST_KEPT), max(most_bytes, LEAST_BYTES_KEPT)
            if not count:
                return
            if not keep_for:
                job.end(reason, begun=False)
            elif self._count + count > most:
                job.end(_full("KEEP_MESSAGES", most, reason), begun=False)
            elif self._bytes + size > most_bytes:
                job.end(_full("KEEP_BYTES", most_bytes, reason), begun=False)
            else:
                job.kept_until = monotonic() + keep_for
                self._kept[job] = count, size
                self._count += count
                self._bytes += size
                return
            self._forget_empty()

    def drop_kept(self, reason: Exception, *, tell: bool) -> list[Job]:
        """Keep nothing any longer. Return the jobs that this ends.

        Arguments:
            reason: why.
            tell: let the jobs tell of it.
        """
        with self._lock:
            jobs = list(self._kept)
            if not tell:
                for job in jobs:
                    job.forget()
            return self._give_up(jobs, reason)

    def give_up_late(self, reason: Exception | None) -> list[Job]:
        """Give up what was kept for ``KEEP_FOR``. Return the jobs that this ends."""
        if not self._kept:
            return []
        now = monotonic()
        with self._lock:
            return self._give_up(
                [job for job in self._kept if job.kept_until is not None and job.kept_until <= now],
                reason or PublishError("nothing could be published in KEEP_FOR"),
            )

    def _give_up(self, jobs: list[Job], reason: Exception) -> list[Job]:
        for job in jobs:
            job.end(reason, begun=False)
        if jobs:
            self._forget_empty()
        return jobs

    @property
    def first_end(self) -> float | None:
        """Tell when the first of what is kept is to be given up, by `time.monotonic`."""
        with self._lock:
            return min((job.kept_until for job in self._kept if job.kept_until), default=None)

    def _forget_empty(self) -> None:
        """Forget jobs of which nothing waits any more."""
        for job in [job for job in self._kept if not job.not_begun]:
            count, size = self._kept.pop(job)
            self._count -= count
            self._bytes -= size
        self._jobs = [job for job in self._jobs if job.not_begun]


def _full(name: str, limit: int, reason: Exception) -> Exception:
    error = PublishError(f"{name} ({limit}) is reached, while nothing can be published: {reason}")
    error.__cause__ = reason
    return error
