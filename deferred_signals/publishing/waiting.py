"""The jobs that wait in the line for their turn, and how many of them may be kept."""

from __future__ import annotations

import threading
from itertools import groupby, takewhile
from math import inf
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
    """One publication of a batch, its job, and its place in that."""

    job: Job
    place: int
    publication: Publication | Copy


class Waiting:
    """Jobs that wait for their turn, the oldest first.

    A commit waits for its own job for some time. What has not begun when the commit goes on is kept,
    within the limits ``KEEP_FOR``, ``KEEP_MESSAGES`` and ``KEEP_BYTES``.

    Arguments:
        settings: gives the limits.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        #: In dicts, so that one of ten thousand is taken out at once. Both are in the jobs' order.
        self._jobs: dict[Job, None] = {}
        self._kept: dict[Job, tuple[int, int]] = {}
        self._count = self._bytes = 0
        # The thread that holds the lock can take it again: a handler of a Unix signal may send.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def jobs(self) -> Sequence[Job]:
        """Return the jobs, as they are now."""
        return tuple(self._jobs)

    def add(self, job: Job) -> None:
        """Let a job wait behind all others."""
        with self._lock:
            self._jobs[job] = None

    def next_batch(self) -> list[Entry]:
        """Return the publications whose turn it is: as many as may leave together."""
        batch: list[Entry] = []
        size = 0
        with self._lock:
            for job in self.jobs:
                if not job.not_begun:  # it was given up meanwhile
                    self._forget(job)
                for place in job.not_begun:
                    publication = job.publications[place]
                    size += publication.size
                    if batch and (len(batch) == MOST_PUBLICATIONS or size > MOST_BYTES):
                        return batch
                    batch.append(Entry(job, place, publication))
        return batch

    def begin(self, batch: Iterable[Entry]) -> None:
        """Note that a batch, or the first part of one, is written now."""
        with self._lock:
            for job, entries in groupby(batch, key=lambda entry: entry.job):
                job.begin(len(list(entries)))
                if not job.not_begun:
                    self._forget(job)

    def begin_again(self, batch: Iterable[Entry]) -> None:
        """Let publications that the broker dropped wait before all others."""
        with self._lock:
            jobs, kept, self._jobs, self._kept = self._jobs, self._kept, {}, {}
            for job, entries in groupby(batch, key=lambda entry: entry.job):
                job.begin_again(next(entries).place)
                self._jobs[job] = None
                if job not in kept and job.kept_until < inf:
                    self._note_kept(job)
            self._jobs |= jobs
            self._kept |= kept

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
                self._note_kept(job)
                return
            self._forget(job)

    def end(self, job: Job, reason: Exception) -> None:
        """Give up a job, with what has begun of it."""
        with self._lock:
            job.end(reason)
            self._forget(job)

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
                list(takewhile(lambda job: job.kept_until <= now, self._kept)),
                reason or PublishError("nothing could be published in KEEP_FOR"),
            )

    def _give_up(self, jobs: list[Job], reason: Exception) -> list[Job]:
        for job in jobs:
            job.end(reason, begun=False)
            self._forget(job)
        return jobs

    @property
    def first_end(self) -> float | None:
        """Tell when the first of what is kept is to be given up, by `time.monotonic`."""
        with self._lock:
            return min((job.kept_until for job in self._kept if job.kept_until), default=None)

    def _note_kept(self, job: Job) -> None:
        count, size = self._kept[job] = len(job.not_begun), job.size
        self._count += count
        self._bytes += size

    def _forget(self, job: Job) -> None:
        """Forget a job of which nothing waits any more."""
        self._jobs.pop(job, None)
        count, size = self._kept.pop(job, (0, 0))
        self._count -= count
        self._bytes -= size


def _full(name: str, limit: int, reason: Exception) -> Exception:
    error = PublishError(f"{name} ({limit}) is reached, while nothing can be published: {reason}")
    error.__cause__ = reason
    return error
