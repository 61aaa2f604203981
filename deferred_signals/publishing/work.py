"""What a line does with its broker: connect, publish the next batch, wait for answers, give up."""

from __future__ import annotations

from math import inf
from time import monotonic, sleep
from typing import TYPE_CHECKING

from deferred_signals.publishing.breaker import Breaker, settings
from deferred_signals.publishing.waiting import Waiting
from deferred_signals.publishing.writer import Writer, no_answer
from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Celery

    from deferred_signals.publishing.job import Job
    from deferred_signals.publishing.patterns import Copy, Publication

__all__ = ["Work"]

#: Seconds of a round trip that nobody minds, as on a loopback.
FAST = 0.005

#: Seconds that the thread waits at most for other commits to share a batch.
LINGER = 0.05


class Work:
    """The work of a line. Only the thread whose turn it is may do it.

    Arguments:
        app: the Celery app whose settings say where the broker is.
        ring: wakes the line's thread.

    Attributes:
        breaker: is open while commits do not wait for the broker.
        waiting: the jobs that wait for their turn.
        writer: the connection, and what was written on it.
    """

    def __init__(self, app: Celery, ring: Callable[[], object]) -> None:
        self.breaker = Breaker()
        self.waiting = Waiting(settings)
        self.writer = Writer(app, self.waiting)
        self._ring = ring

    def open(self, error: Exception) -> None:
        """Open the breaker, and let every commit go on that waits; from any thread."""
        self.breaker.reason = error
        for job in (*self.waiting.jobs, *self.writer.jobs):
            job.let_go()
        self._ring()  # the thread has to see to the breaker

    def connect(self, patience: float, within: float | None = None) -> bool:
        """Ensure that there is a connection that works. Return whether there is."""
        try:
            self.writer.connect(patience, within, prove=self.breaker.reason is not None)
        except Exception as error:  # noqa: BLE001 - whatever a broker, or its driver, comes up with
            self.breaker.cool_down()
            self.open(error)
            return False
        self.breaker.reason = None
        return True

    def rehearse(self, publications: Sequence[Publication | Copy], patience: float) -> None:
        """Do what the first of such publications would wait for, and publish none."""
        try:
            self.writer.rehearse(publications, patience)
        except BaseException as error:  # noqa: BLE001 - the commit meets it as well, and reports it
            self._give_up(error)

    def publish_next(self, until: float | None = None) -> Sequence[Job]:
        """Publish the next batch; return its jobs.

        Arguments:
            until: as for `await_answers`.
        """
        jobs: Sequence[Job] = ()
        if self.waiting:
            began = monotonic()
            try:
                jobs = self.writer.write_next()
            except BaseException as error:  # noqa: BLE001 - `_give_up` raises what is none of ours
                jobs = self.writer.jobs
                has_begun = self._give_up(error)
                if self.breaker.fails_again(begun=has_begun) and isinstance(error, Exception):
                    self.breaker.cool_down()
                    self.open(error)
            else:
                self.breaker.has_written()
                self.await_answers(until)
            if len(jobs) > 1:
                self._linger(monotonic() - began)
        return jobs

    def _linger(self, took: float) -> None:
        """Let threads whose commits went on just now commit again, so that they share a batch.

        Else some of them would leave alone, and the others wait for that round trip and their own.
        So this goes on as long as they come, but not for long beside the round trip.
        """
        until = monotonic() + min(took / 2, LINGER)
        before = -1
        while took > FAST and monotonic() < until and before < (before := len(self.waiting)):
            sleep(min(took / 10, LINGER / 2))

    def await_answers(self, until: float | None = None) -> None:
        """Settle what was written, as the broker answers; give it up if it does not.

        Arguments:
            until: when to give it up, by `time.monotonic`; None: when the broker has been silent for
                ``CONNECT_TIMEOUT``, and no commit waits for an answer any more.
        """
        try:
            self._collect(until)
        except BaseException as error:  # noqa: BLE001 - the same
            self._give_up(error)
        else:
            if self.breaker.reason is not None:
                self.writer.look_again()
            self.breaker.reason = None

    def _collect(self, until: float | None) -> None:
        """Settle what was written, for as long as the broker is given time to answer.

        Raises:
            Exception: the connection broke, or the broker does not answer.
        """
        end = -inf
        # Without `until`, each answer gives the broker more time.
        while end < (end := self._end_of_patience() if until is None else until):
            if self.writer.collect(end):
                return
        raise no_answer(round(monotonic() - self.writer.heard_at, 1))

    def _end_of_patience(self) -> float:
        awaited = (job.awaited_until for job in self.writer.jobs)
        return max((self.writer.heard_at + settings().CONNECT_TIMEOUT, *awaited))

    def _give_up(self, error: BaseException) -> bool:
        """Give up what was written; return whether anything was sent of it."""
        has_begun = self.writer.give_up(error)
        if not isinstance(error, Exception) or is_interruption(error):
            raise error
        return has_begun
