"""The process's line to the broker: the connection, and the thread that connects and publishes.

A broker must not hold up a commit. So one daemon thread connects, declares and publishes, and a commit
waits for the thread at most ``PUBLISH_TIMEOUT``, whatever hangs: a name's resolution, a handshake, a
write, a reply. If there are few messages and the connection is ready, the commit's own thread publishes
them: that takes one round trip, under the time-outs of the socket, and waking the other thread would
take about as long.

When a commit has waited in vain, the breaker opens. The commits that follow fail at once, and the thread
alone probes the broker, every ``BREAKER_COOLDOWN``.

If no thread can be started, because there are too many or the process ends, commits publish on their own
threads, under the time-outs of the socket, and probe a broker that failed themselves.

A handler of a Unix signal runs between two steps of the main thread, and a finalizer between two steps of
any thread, and both may send. So each lock in here is one that its holder can take again. A connection
cannot be used again in the middle of a message, so whoever interrupts gets another line. That line
publishes on the calling thread: the interrupted code may hold locks of Celery's and kombu's, and no other
thread could take these meanwhile.

What may have arrived is never published again: its commit is told that it is not known to be published.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.publishing.breaker import Breaker, cooldown
from deferred_signals.publishing.connection import Connection
from deferred_signals.publishing.daemon import Daemon
from deferred_signals.publishing.job import Job
from deferred_signals.support.forks import unforked
from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from celery import Celery

    from deferred_signals.publishing.patterns import Copy, Publication

__all__ = ["Line"]

#: Publications that a commit makes by itself, where the connection is ready.
FEW = 10

#: Publications that leave before the broker's answer is waited for, and other threads get a turn.
SLICE = 500


class Line:
    """Publish to one broker, for all threads of the process.

    Arguments:
        app: the Celery app whose settings say where the broker is.
        has_thread: whether another thread may connect and publish.
    """

    def __init__(self, app: Celery, *, has_thread: bool = True) -> None:
        self._app = app
        self._breaker = Breaker()
        self._connection = Connection(app)
        #: Held by the thread that uses the connection.
        self._turn = threading.Lock()
        #: Whether the calling thread is in a block of `taken`.
        self._caller = threading.local()
        self._spare: Line | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._waiting: set[Job] = set()
        self._lock = threading.RLock()
        self._daemon = Daemon(self._serve, "deferred_signals.line", allowed=has_thread)
        self._answered = 0.0

    @contextmanager
    def taken(self) -> Iterator[Line]:
        """Give the line to publish on in the block: another line to code that interrupts the block."""
        if getattr(self._caller, "is_publishing", False):
            with self._spare_line().taken() as spare:
                yield spare
            return
        self._caller.is_publishing = True
        try:
            yield self
        finally:
            self._caller.is_publishing = False

    def outage(self) -> Exception | None:
        """Return why nothing is published now; None if publishing is to be tried."""
        cause = self._breaker.cause
        if cause is None or self._daemon.is_running:
            return cause
        # No thread probes the broker: whoever comes after the cooldown does.
        return cause if self._breaker.rest() or self._daemon.start() else None

    def publish(self, publications: Sequence[Publication | Copy]) -> list[Exception | None]:
        """Publish in order, and wait for the broker's answer, on a line that was taken.

        Wait no longer than ``PUBLISH_TIMEOUT``; for a large batch, as long for each slice of it.
        Return for each publication None if the broker has it, else why that is not known. Never raise
        for anything that a broker does, nor for a lack of threads.
        """
        if not publications:
            return []
        outage = self.outage()
        if outage is not None:
            return [outage] * len(publications)
        results = None
        if len(publications) <= FEW:
            results = self._publish_here(publications)
        if results is None and self._daemon.start():
            results = self._publish_there(publications)
        if results is None:
            results = self._publish_here(publications, alone=True)
        if results is None:
            error = TimeoutError("other threads used the connection to the broker all the time")
            self._open(error)
            results = [error] * len(publications)
        return results

    def _publish_here(
        self, publications: Sequence[Publication | Copy], *, alone: bool = False
    ) -> list[Exception | None] | None:
        """Publish on the calling thread; return None if the line's thread should do it.

        Arguments:
            publications: what is to be published.
            alone: there is no other thread, so wait for the connection to be free, and connect.
        """
        if not self._turn.acquire(timeout=conf.current().PUBLISH_TIMEOUT if alone else 0):
            return None
        try:
            if not alone and not self._connection.is_ready(publications):
                return None
            return self._publish_now(publications, connect=alone)
        finally:
            self._turn.release()

    def _publish_now(
        self, publications: Sequence[Publication | Copy], *, connect: bool
    ) -> list[Exception | None]:
        """Publish on the calling thread, which has the turn."""
        job = Job(publications)
        try:
            with unforked():
                if connect:
                    self._connection.connect(within=conf.current().PUBLISH_TIMEOUT)
                self._connection.publish(publications, partial(job.settle, 0))
            self._breaker.close()
        except BaseException as error:
            failure: Exception = InterruptedError(repr(error))
            if isinstance(error, Exception) and not is_interruption(error):
                failure = error
            self._break(failure, 0 if self._daemon.start() else cooldown())
            if failure is not error:
                raise
            job.end(failure)
        return job.results

    def _publish_there(self, publications: Sequence[Publication | Copy]) -> list[Exception | None]:
        """Let the line's thread publish, and wait for the thread."""
        job, patience = Job(publications), conf.current().PUBLISH_TIMEOUT
        with self._lock:
            if self._breaker.cause is not None:
                return [self._breaker.cause] * len(publications)
            self._waiting.add(job)
        self._jobs.put(job)
        try:
            if not self._wait(job, patience):
                self._open(TimeoutError(f"the broker gave no answer for {patience:g} s"))
        finally:
            with self._lock:
                self._waiting.discard(job)
            job.end(InterruptedError("the wait for the broker was interrupted"))
        return job.results

    def _spare_line(self) -> Line:
        """Give the line for code that interrupts a thread which has taken this one."""
        if self._spare is None:
            self._spare = Line(self._app, has_thread=False)
        return self._spare

    def _wait(self, job: Job, patience: float) -> bool:
        """Return whether the broker has answered about all of a job in time."""
        began = monotonic()
        while (rest := max(began, self._answered) + patience - monotonic()) > 0:
            if job.wait(rest):
                return True
        return job.is_done

    def _open(self, error: Exception) -> None:
        """Open the breaker, and let everybody go who waits."""
        with self._lock:
            self._breaker.open(error)
            for job in list(self._waiting):
                job.end(error)
        # The thread may sleep, and has to probe the broker from now on.
        self._jobs.put(None)

    def _break(self, error: Exception, pause: float = 0.0) -> None:
        """Drop a connection that failed, and open the breaker; probe the broker after a pause."""
        self._connection.drop()
        self._breaker.probe_in(pause)
        self._open(error)

    def _serve(self) -> None:
        """Publish what comes; while the breaker is open, probe the broker from time to time."""
        self._caller.is_publishing = True
        while True:
            self._serve_one()

    def _serve_one(self) -> None:
        # A method of its own, so that nothing of a job is held until the next one comes.
        try:
            job = self._jobs.get(timeout=self._breaker.rest() if self._breaker.cause else None)
        except Empty:
            with self._turn:
                self._probe()
        else:
            if job is not None and not job.is_done:
                with self._turn:
                    self._run(job)

    def _run(self, job: Job) -> None:
        """Publish the next slice of a job."""
        connected = False
        try:
            with unforked():
                self._connection.connect()
                connected = True
                job.context.run(self._publish_slice, job)
        except Exception as error:  # noqa: BLE001 - whatever a broker, or its driver, comes up with
            # A connection that breaks can often be made again at once; one that was refused cannot.
            self._break(error, 0 if connected else cooldown())
        else:
            self._breaker.close()

    def _publish_slice(self, job: Job) -> None:
        places = job.begin(SLICE)
        if not places:
            return
        publications = [job.publications[place] for place in places]
        self._connection.publish(publications, partial(job.settle, places.start))
        self._answered = monotonic()
        if not job.is_done:
            self._jobs.put(job)  # behind those of other threads

    def _probe(self) -> None:
        """Close the breaker, if the broker can be connected to and takes a message."""
        try:
            with unforked():
                self._connection.connect()
                self._connection.prove()
        except Exception as error:  # noqa: BLE001 - as above
            self._break(error, cooldown())
        else:
            self._breaker.close()
