"""Writing batches on one connection, and collecting the broker's answers to them."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from deferred_signals.publishing.connection import Connection
from deferred_signals.publishing.job import Failure
from deferred_signals.publishing.waiting import Entry
from deferred_signals.support.forks import unforked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from celery import Celery

    from deferred_signals.publishing.job import Job
    from deferred_signals.publishing.patterns import Copy, Publication
    from deferred_signals.publishing.waiting import Waiting

__all__ = ["Writer", "no_answer"]

#: Publications, and bytes of them, that a commit writes by itself. They fit into a socket's buffer.
FEW = 10
FEW_BYTES = 64 * 1024


class Writer:
    """The connection, and what was written on it. Only the thread whose turn it is may use it.

    Arguments:
        app: the Celery app whose settings say where the broker is.
        waiting: the jobs that wait for their turn.

    Attributes:
        written: the publications that were written, and have no answer.
        heard_at: when something was written, or answered, for the last time, by `time.monotonic`.
    """

    def __init__(self, app: Celery, waiting: Waiting) -> None:
        self.written: list[Entry] = []
        self.heard_at = 0.0
        self._waiting = waiting
        self._connection = Connection(app)

    @property
    def is_recent(self) -> bool:
        """Return whether there is a connection that was used a moment ago."""
        return self._connection.is_recent

    @property
    def jobs(self) -> Sequence[Job]:
        """Return the jobs whose publications were written, and have no answer."""
        return _jobs_of(self.written)

    def connect(self, patience: float, within: float | None, *, prove: bool) -> None:
        """Ensure that there is a connection that works.

        Arguments:
            patience: seconds for each of the broker's replies.
            within: seconds after which no further broker of a list is tried; None: all are.
            prove: check that the broker takes messages.

        Raises:
            Exception: there is none.
        """
        try:
            with unforked():
                self._connection.ensure(patience, within)
                if prove:
                    self._connection.prove(patience)
        except BaseException:
            self._connection.drop()
            raise

    def rehearse(self, publications: Sequence[Publication | Copy], patience: float) -> None:
        """Do what the first of such publications would wait for, and publish none.

        Raises:
            Exception: the connection broke.
        """
        with unforked():
            self._connection.declare(publications)
            self._connection.prove(patience)

    def look_again(self) -> None:
        """Ask for the broker's address anew, if that may have changed while the broker was silent."""
        self._connection.look_again()

    def is_ready(self, job: Job) -> bool:
        """Return whether a job takes one round trip, and little room."""
        return (
            len(job.publications) <= FEW
            and job.size <= FEW_BYTES
            and self._connection.is_ready(job.publications)
        )

    def write(self, job: Job) -> None:
        """Write a whole job, for which the connection is ready.

        Raises:
            Exception: the connection broke.
        """
        self.written = [Entry(job, *each) for each in enumerate(job.publications)]
        job.begin(len(self.written))
        self._write()

    def write_next(self) -> Sequence[Job]:
        """Write the publications whose turn it is. Return their jobs.

        Raises:
            Exception: the connection broke.
        """
        batch = self._waiting.next_batch()
        publications = [entry.publication for entry in batch]
        with unforked():
            refused = self._connection.declare(publications)
        batch = batch[: self._connection.channel.together(publications)]
        self._waiting.begin(batch)
        for place, refusal in refused.items():
            if place < len(batch):
                batch[place].job.settle(batch[place].place, Failure(refusal, is_certain=True))
        self.written = [entry for place, entry in enumerate(batch) if place not in refused]
        self._write()
        return _jobs_of(batch)

    def _write(self) -> None:
        with unforked():
            self._connection.channel.write(
                [entry.publication for entry in self.written], self._settle
            )
        self.heard_at = monotonic()

    def collect(self, until: float) -> bool:
        """Settle what was written, as the broker answers. Return whether all of it has an answer.

        Arguments:
            until: when to wait no longer, by `time.monotonic`. It can be called again then.

        Raises:
            Exception: the connection broke.
        """
        # A fork need not wait for this: no lock is held that a child would want.
        is_answered = self._connection.collect(self._settle, self._begin_again, until)
        if is_answered:
            self.written = []
        return is_answered

    def give_up(self, error: BaseException) -> bool:
        """Drop the connection: what was written on it is not known to be published.

        Return whether anything was. If not, it waits again: the connection was found broken before.
        """
        has_begun = bool(self.written) and self._connection.has_begun
        self._connection.drop()
        written, self.written = self.written, []
        if not has_begun:
            self._waiting.begin_again(written)
            return False
        fate = error if isinstance(error, Exception) else InterruptedError(repr(error))
        for entry in written:
            entry.job.settle(entry.place, Failure(fate))
        return True

    def shut(self) -> None:
        """Let the thread whose turn it is fail at once, if it waits for the broker."""
        self._connection.shut()

    def _settle(
        self,
        places: Iterable[int],
        error: Exception | None = None,
        *,
        is_certain: bool = True,
    ) -> None:
        self.heard_at = monotonic()
        fate = None if error is None else Failure(error, is_certain)
        for place in places:
            entry = self.written[place]
            entry.job.settle(entry.place, fate)

    def _begin_again(self, place: int) -> None:
        self._waiting.begin_again(self.written[place:])


def _jobs_of(entries: Iterable[Entry]) -> Sequence[Job]:
    return tuple(dict.fromkeys(entry.job for entry in entries))


def no_answer(seconds: float) -> TimeoutError:
    """Return the error for a broker that has been silent for some seconds."""
    return TimeoutError(f"the broker gave no answer for {seconds:g} s")
