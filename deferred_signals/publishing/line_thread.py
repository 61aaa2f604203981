"""The line's thread: it connects, writes batches, waits for answers, and tries a broker that is away."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import TYPE_CHECKING

from django.db import connections

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError
from deferred_signals.publishing.daemon import Daemon
from deferred_signals.publishing.waiting import Waiting
from deferred_signals.publishing.writer import Writer, no_answer
from deferred_signals.support.telling import is_interruption
from deferred_signals.support.uwsgi import may_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Celery

    from deferred_signals.conf import Settings
    from deferred_signals.publishing.job import Job

__all__ = ["LineThread", "settings"]

#: Seconds of a round trip that nobody minds, as on a loopback.
FAST = 0.005

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
        broken: why the breaker is open; None while it is closed.
        waiting: the jobs that wait for their turn.
        writer: the connection, and what was written on it.
        turn: is held by the thread that uses the writer, until the broker has answered.
        deadline: when a commit's thread that uses the writer must be done, by `time.monotonic`.
        probe_at: when a broker that is away is tried again, by `time.monotonic`.
    """

    def __init__(self, app: Celery, begin: Callable[[], object], *, allowed: bool) -> None:
        self.broken: Exception | None = None
        self.waiting = Waiting(settings)
        self.writer = Writer(app, self.waiting)
        self.turn = threading.Lock()
        self.deadline: float | None = None
        self.probe_at = 0.0
        self._begin = begin
        self._daemon = Daemon(self._serve, "deferred_signals.line", allowed=allowed)
        self._bell: SimpleQueue[None] = SimpleQueue()
        #: A commit's thread has left its turn, with an answer to wait for, to this thread.
        self._is_left = False
        #: Somebody will soon want a connection.
        self._is_awaited = False
        #: The thread publishes, or tells of what it has published.
        self._is_busy = False
        #: Nothing could be written when that was last tried.
        self._has_failed = False
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

    def connect_soon(self) -> None:
        """Connect, so that the first commit finds a connection."""
        self._is_awaited = True
        if self.start():
            self.ring()

    def leave_turn(self) -> None:
        """Leave the turn of a commit's thread to this one, which waits for the answer."""
        self._is_left = True
        self.ring()

    def open(self, error: Exception) -> None:
        """Open the breaker, and let every commit go on that waits."""
        self.broken = error
        for job in (*self.waiting.jobs, *self.writer.jobs):
            job.let_go()
        self.ring()  # the thread has to see to the breaker

    def _serve(self) -> None:
        """Publish what waits; while the breaker is open, try the broker from time to time."""
        self._begin()
        while not self._is_closed:
            self._serve_once()
            if self._is_retired and not self.waiting and self.turn.acquire(blocking=False):
                self.writer.give_up(InterruptedError("the settings name another broker"))
                self.turn.release()
                return

    def _serve_once(self) -> None:
        # A method of its own, so that nothing of a job is held until the next one comes.
        with suppress(Empty):
            self._bell.get(timeout=self._pause())
        self._watch()
        self._is_busy = True
        jobs: Sequence[Job] = self.waiting.give_up_late(self.broken)
        if self._has_work():
            self._take_turn()
            try:
                jobs = (*jobs, *self._work())
            finally:
                self.turn.release()
        for job in jobs:
            job.tell()
        if jobs:  # whoever was told may have used the database
            connections.close_all()
        self._is_busy = False

    def _pause(self) -> float | None:
        """Return the seconds in which the thread has nothing to do, unless the bell rings."""
        if self._has_work():
            return 0.0
        now = monotonic()
        times = [self.probe_at] if self.broken is not None else []
        if (end := self.waiting.first_end) is not None:
            times.append(end)
        if (deadline := self.deadline) is not None:
            times.append(deadline + GRACE)
        elif self.writer.is_recent:
            times.append(now + min(LOOK, (settings().PUBLISH_TIMEOUT or LOOK) / 2))
        return max(0.0, min(times) - now) if times else None

    def _has_work(self) -> bool:
        if self.broken is not None:
            return self._is_left or monotonic() >= self.probe_at
        return self._is_left or self._is_awaited or bool(self.waiting)

    def _watch(self) -> None:
        """Free a commit's thread whose deadline has passed, though bytes keep dripping in."""
        deadline = self.deadline
        if deadline is not None and monotonic() > deadline + GRACE:
            self.writer.shut()

    def _take_turn(self) -> None:
        while not self._is_left and not self.turn.acquire(timeout=LOOK / 5):
            self._watch()
        self._is_left = False

    def _work(self) -> Sequence[Job]:
        """Wait for an answer that was left, or publish the next batch. Return the jobs of both."""
        patience = settings().CONNECT_TIMEOUT
        if jobs := self.writer.jobs:
            self._await_answers(patience)
            return jobs
        return self.publish_next(patience) if self.connect(patience) else ()

    def connect(self, patience: float, within: float | None = None) -> bool:
        """Ensure that there is a connection that works. Return whether there is."""
        self._is_awaited = False
        try:
            self.writer.connect(patience, within, prove=self.broken is not None)
        except Exception as error:  # noqa: BLE001 - whatever a broker, or its driver, comes up with
            self.probe_at = monotonic() + settings().BREAKER_COOLDOWN
            self.open(error)
            return False
        self.broken = None
        return True

    def publish_next(self, patience: float) -> Sequence[Job]:
        """Publish the next batch. Return its jobs."""
        jobs: Sequence[Job] = ()
        if self.waiting:
            began = monotonic()
            try:
                jobs = self.writer.write_next()
            except BaseException as error:  # noqa: BLE001 - `_give_up` raises what is none of ours
                jobs = self.writer.jobs
                self._give_up(error)
                self._note_failure(error, begun=bool(jobs))
            else:
                self._has_failed = False
                self._await_answers(patience)
            if len(jobs) > 1:
                self._linger(monotonic() - began)
        return jobs

    def _note_failure(self, error: BaseException, *, begun: bool) -> None:
        """Open the breaker if nothing could be written, twice in a row: new connections do not help."""
        if self._has_failed and not begun and isinstance(error, Exception):
            self.probe_at = monotonic() + settings().BREAKER_COOLDOWN
            self.open(error)
        self._has_failed = not begun

    def _linger(self, took: float) -> None:
        """Let threads whose commits went on just now commit again, so that they share a batch.

        Else one of them would leave alone, and the others wait for its round trip and their own.
        """
        if took > FAST:
            sleep(min(took / 10, LOOK / 10))

    def _await_answers(self, patience: float) -> None:
        try:
            if not self.writer.collect(monotonic() + patience):
                raise no_answer(patience)  # noqa: TRY301 - as if the driver had raised it
        except BaseException as error:  # noqa: BLE001 - the same
            self._give_up(error)
        else:
            self.broken = None

    def _give_up(self, error: BaseException) -> None:
        self.writer.give_up(error)
        if not isinstance(error, Exception) or is_interruption(error):
            raise error

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
        self.probe_at = 0.0
        self.ring()
        try:
            while self._daemon.is_running and monotonic() < until:
                if not (self.waiting or self.writer.written or self._is_busy):
                    break
                if self.probe_at > monotonic() + LOOK:  # there is no time for ``BREAKER_COOLDOWN``
                    self.probe_at = monotonic() + LOOK
                    self.ring()
                sleep(0.01)
        finally:  # the handler of another SIGTERM may raise, as that of the first did
            self._end()

    def _end(self) -> None:
        """End the thread, and give up what is left."""
        self._daemon.forbid()
        self._is_closed = True
        self.ring()
        reason = self.broken or InterruptedError("the process ends")
        jobs = (*self.waiting.jobs, *self.writer.jobs)
        for job in jobs:
            job.end(reason)
            job.tell()
        until = monotonic() + LOOK
        while (
            self._daemon.is_running and monotonic() < until
        ):  # it ends before the interpreter does
            sleep(0.001)


def settings() -> Settings:
    """Return the settings. Wrong ones, as they may be for the length of a test, end no thread."""
    try:
        return conf.current()
    except ConfigurationError:
        return conf.Settings()
