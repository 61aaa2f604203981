"""The line's thread: it connects, writes batches, waits for answers, and tries a broker that is away."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import TYPE_CHECKING

from django.db import connections

from deferred_signals.publishing.breaker import settings
from deferred_signals.publishing.daemon import Daemon
from deferred_signals.publishing.spilling import spill
from deferred_signals.publishing.work import Work
from deferred_signals.support.uwsgi import may_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Celery

    from deferred_signals.publishing.job import Job
    from deferred_signals.publishing.patterns import Copy, Publication

__all__ = ["LineThread"]

#: Seconds after its deadline in which a commit's thread goes on by itself, unless bytes drip in.
GRACE = 0.05

#: Seconds between two looks at a commit's thread that publishes: few, so that its deadline is met.
LOOK = 0.25


class LineThread:
    """The thread, started when it is needed, and what it shares with the threads of commits.

    Arguments:
        app: the Celery app whose settings say where the broker is.
        begin: is called by the thread at first.
        allowed: whether the thread may be started.

    Attributes:
        work: what the thread does, or a commit's thread in its turn.
        turn: is held by the thread that does it, until the broker has answered.
        deadline: when a commit's thread that has the turn must be done, by `time.monotonic`.
    """

    def __init__(self, app: Celery, begin: Callable[[], object], *, allowed: bool) -> None:
        self.work = Work(app, self.ring)
        self.turn = threading.Lock()
        self.deadline: float | None = None
        self._begin = begin
        self._daemon = Daemon(self._serve, "deferred_signals.line", allowed=allowed)
        self._bell: SimpleQueue[None] = SimpleQueue()
        #: A commit's thread has left its turn, with an answer to wait for, to this thread.
        self._is_left = False
        #: Somebody will soon want a connection, to publish something like this.
        self._is_awaited = False
        self._awaited: Sequence[Publication | Copy] = ()
        #: The thread publishes, or tells of what it has published.
        self._is_busy = False
        self._is_closed = self._is_retired = False

    @property
    def is_running(self) -> bool:
        """Return whether the thread is there."""
        return self._daemon.is_running

    def start(self) -> bool:
        """Start the thread, if it is not there; return False if none can be started."""
        return not may_fork() and self._daemon.start()

    def ring(self) -> None:
        """Wake the thread: there is something to do."""
        if not sys.is_finalizing():  # a thread that wakes up then may crash the interpreter
            self._bell.put(None)

    def connect_soon(self, publications: Sequence[Publication | Copy]) -> None:
        """Connect, and declare what such publications need, so that the first commit finds it done."""
        self._awaited = publications
        self._is_awaited = True
        if self.start():
            self.ring()

    def spill_soon(self) -> None:
        """Have what waits for a store given to it by the thread; do it here if none can be started."""
        if self.start():
            self.ring()
        else:
            spill()

    def leave_turn(self) -> None:
        """Leave the turn of a commit's thread to this one, which waits for the answer."""
        self._is_left = True
        self.ring()

    def _serve(self) -> None:
        """Publish what waits; while the breaker is open, try the broker from time to time."""
        self._begin()
        while not self._is_closed:
            self._serve_once()
            if self._is_retired and not self.work.waiting and self.turn.acquire(blocking=False):
                self.work.writer.give_up(InterruptedError("the settings name another broker"))
                self.turn.release()
                return

    def _serve_once(self) -> None:
        # A method of its own, so that nothing of a job is held until the next one comes.
        with suppress(Empty):
            self._bell.get(timeout=self._pause())
        self._watch()
        self._is_busy = True
        jobs: Sequence[Job] = self.work.waiting.give_up_late(self.work.breaker.reason)
        if self._has_work():
            self._take_turn()
            try:
                jobs = (*jobs, *self._do_work())
            finally:
                self.turn.release()
        for job in jobs:
            job.tell()
        if spill() or jobs:  # whoever was told may have used the database
            connections.close_all()
        self._is_busy = False

    def _pause(self) -> float | None:
        """Return the seconds in which the thread has nothing to do, unless the bell rings."""
        if self._has_work():
            return 0.0
        now = monotonic()
        times = [self.work.breaker.probe_at] if self.work.breaker.reason is not None else []
        if (end := self.work.waiting.first_end) is not None:
            times.append(end)
        if (deadline := self.deadline) is not None:
            times.append(deadline + GRACE)
        elif self.work.writer.is_recent:
            times.append(now + min(LOOK, (settings().PUBLISH_TIMEOUT or LOOK) / 2))
        return max(0.0, min(times) - now) if times else None

    def _has_work(self) -> bool:
        if self.work.breaker.reason is not None:
            return self._is_left or self.work.breaker.is_due
        return self._is_left or self._is_awaited or bool(self.work.waiting)

    def _watch(self) -> None:
        """Free a commit's thread whose deadline has passed, though bytes keep dripping in."""
        deadline = self.deadline
        if deadline is not None and monotonic() > deadline + GRACE:
            self.work.writer.shut()

    def _take_turn(self) -> None:
        while not self._is_left and not self.turn.acquire(timeout=LOOK / 5):
            self._watch()
        self._is_left = False

    def _do_work(self) -> Sequence[Job]:
        """Wait for an answer that was left, or publish the next batch. Return the jobs of both."""
        if jobs := self.work.writer.jobs:
            self.work.await_answers()
            return jobs
        patience = settings().CONNECT_TIMEOUT
        self._is_awaited = False
        awaited, self._awaited = self._awaited, ()
        if not self.work.connect(patience):
            return ()
        if awaited and not self.work.waiting:
            self.work.rehearse(awaited, patience)
        return self.work.publish_next()

    def retire(self) -> None:
        """End the thread and the connection, once nothing waits: the settings name another broker."""
        self._is_retired = True
        self.ring()

    def close(self, patience: float) -> None:
        """Publish what is kept, since the process ends; give up what cannot be published in time.

        Arguments:
            patience: seconds that this may take.
        """
        until = monotonic() + patience
        self.work.breaker.probe_at = 0.0
        self.ring()
        breaker = self.work.breaker
        try:
            while self._daemon.is_running and monotonic() < until:
                if not (self.work.waiting or self.work.writer.written or self._is_busy):
                    break
                # There is no time for ``BREAKER_COOLDOWN``.
                if breaker.probe_at > monotonic() + LOOK:
                    breaker.probe_at = monotonic() + LOOK
                    self.ring()
                sleep(0.01)
        finally:  # the handler of another SIGTERM may raise, as that of the first did
            self._end()

    def _end(self) -> None:
        """End the thread, and give up what is left."""
        self._daemon.forbid()
        self._is_closed = True
        self.ring()
        reason = self.work.breaker.reason or InterruptedError("the process ends")
        jobs = (*self.work.waiting.jobs, *self.work.writer.jobs)
        for job in jobs:
            job.end(reason)
            job.tell()
        until = monotonic() + LOOK
        while self._daemon.is_running and monotonic() < until:  # it ends before the interpreter
            sleep(0.001)
