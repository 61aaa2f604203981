"""The process's line to the broker: the thread that connects and publishes, and the breaker.

A commit must not be the hostage of a broker. So one daemon thread connects, declares and
publishes, and a commit waits for it at most ``PUBLISH_TIMEOUT``, whatever hangs: the resolution of
a name, a handshake, a write, a reply. Where a few messages have a connection that is ready, which
takes one round trip under the timeouts of its socket, the commit's own thread publishes them: to
wake another one would take about as long.

When a commit has waited in vain the breaker opens: those that follow fail at once, and the thread
alone tries the broker again, every ``BREAKER_COOLDOWN``. (Breaker: the circuit breaker of Michael
Nygard's "Release It!".)

What may or may not have arrived is never published again: its commit is told that it is not known
to be published.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError
from deferred_signals.running.facts import answers
from deferred_signals.sending.broker import Broker
from deferred_signals.sending.job import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from deferred_signals.sending.patterns import Copy, Publication

__all__ = ["Line", "line_of"]

#: Publications that a commit makes by itself, where the connection is ready.
FEW = 10

#: Publications that leave before the broker's answer is waited for, and other threads get a turn.
SLICE = 500


class Line:
    """The way to one broker, for all threads of the process.

    Arguments:
        app: whose settings say where the broker is.
    """

    def __init__(self, app: Celery) -> None:
        #: Why the breaker is open; None while it is closed.
        self.broken: Exception | None = None
        self._broker = Broker(app)
        #: Held by the thread that uses the broker.
        self._turn = threading.Lock()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._waiting: set[Job] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._answered = 0.0
        self._probe_at = 0.0

    def publish(self, publications: Sequence[Publication | Copy]) -> list[Exception | None]:
        """Hand publications to the broker, in order, and wait for its answer.

        Waits no longer than ``PUBLISH_TIMEOUT``; a large batch, as long for each slice of it.
        Gives for each publication None where the broker has it, else why that is not known. Never
        raises for what a broker does.
        """
        if self.broken is not None:
            return [self.broken] * len(publications)
        if len(publications) <= FEW and self._turn.acquire(blocking=False):
            try:
                if self._broker.is_ready(publications):
                    return self._publish_here(publications)
            finally:
                self._turn.release()
        return self._publish_there(publications)

    def _publish_here(self, publications: Sequence[Publication | Copy]) -> list[Exception | None]:
        """Publish on the calling thread, whose turn it is."""
        job = Job(publications)
        try:
            self._broker.publish(publications, partial(job.settle, 0))
        except BaseException as error:
            self._break(error if isinstance(error, Exception) else InterruptedError(repr(error)))
            self._start()
            if not isinstance(error, Exception):
                raise
            job.end(error)
        return job.results

    def _publish_there(self, publications: Sequence[Publication | Copy]) -> list[Exception | None]:
        """Let the line's thread publish, and wait for it."""
        job, patience = Job(publications), conf.current().PUBLISH_TIMEOUT
        with self._lock:
            if self.broken is not None:
                return [self.broken] * len(publications)
            self._waiting.add(job)
        self._start()
        self._jobs.put(job)
        try:
            if not self._wait(job, patience):
                self._open(TimeoutError(f"the broker gave no answer for {patience:g} s"))
        finally:
            with self._lock:
                self._waiting.discard(job)
            job.end(InterruptedError("the wait for the broker was interrupted"))
        return job.results

    def _start(self) -> None:
        """Have the thread, from the first time that it is needed; another one if it ever ended."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._serve, name="deferred_signals.line", daemon=True
                )
                self._thread.start()

    def _wait(self, job: Job, patience: float) -> bool:
        """Whether the broker has answered about all of a job in time."""
        began = monotonic()
        while (rest := max(began, self._answered) + patience - monotonic()) > 0:
            if job.done.wait(rest):
                return True
        return job.done.is_set()

    def _open(self, error: Exception) -> None:
        """Open the breaker, and let everybody go who waits."""
        with self._lock:
            self.broken = error
            for job in self._waiting:
                job.end(error)
        # The thread may sleep: it has to see to the breaker.
        self._jobs.put(None)

    def _break(self, error: Exception, pause: float = 0.0) -> None:
        """Drop a connection that failed, and open the breaker; look again after a pause."""
        self._broker.drop()
        self._probe_at = monotonic() + pause
        self._open(error)

    def _serve(self) -> None:
        """Publish what comes; while the breaker is open, try the broker from time to time."""
        while True:
            self._serve_one()

    def _serve_one(self) -> None:
        # A method of its own, so that nothing of a job is held until the next one comes.
        pause = max(0.0, self._probe_at - monotonic()) if self.broken else None
        try:
            job = self._jobs.get(timeout=pause)
        except Empty:
            with self._turn:
                self._probe()
        else:
            if job is not None and not job.done.is_set():
                with self._turn:
                    self._run(job)

    def _run(self, job: Job) -> None:
        """Publish the next slice of a job."""
        connected = False
        try:
            self._broker.connect()
            connected = True
            job.context.run(self._publish_slice, job)
        except Exception as error:  # noqa: BLE001 - whatever a broker, or its driver, comes up with
            # A connection that breaks is often to be had again at once; one that cannot be had is not.
            self._break(error, 0 if connected else _cooldown())
        else:
            self.broken = None

    def _publish_slice(self, job: Job) -> None:
        places = job.begin(SLICE)
        if not places:
            return
        publications = [job.publications[place] for place in places]
        self._broker.publish(publications, partial(job.settle, places.start))
        self._answered = monotonic()
        if not job.done.is_set():
            self._jobs.put(job)  # behind those of other threads

    def _probe(self) -> None:
        """Close the breaker, if the broker can be connected to and takes a message."""
        try:
            self._broker.connect()
            self._broker.prove()
        except Exception as error:  # noqa: BLE001 - as above
            self._break(error, _cooldown())
        else:
            self.broken = None


def _cooldown() -> float:
    """Seconds between two looks for a broker that failed.

    A setting that is wrong, as it may be for the length of a test, must not end the thread.
    """
    try:
        return conf.current().BREAKER_COOLDOWN
    except ConfigurationError:
        return conf.Settings().BREAKER_COOLDOWN


_lines: dict[tuple[Celery, str], Line] = {}
_making = threading.Lock()

#: Lines of the process that this one was forked from. They are kept, since the drivers would say
#: good-bye on a socket that the other process still uses.
_inherited: list[Line] = []


def line_of(app: Celery) -> Line:
    """The line of the current app, to the broker that its settings name now."""
    key = (app, answers().broker)
    line = _lines.get(key)
    if line is None:
        with _making:
            line = _lines.setdefault(key, Line(app))
    return line


def _leave_to_parent() -> None:
    global _making  # noqa: PLW0603 - a lock that another thread held at the fork is held for ever
    _inherited.extend(_lines.values())
    _lines.clear()
    _making = threading.Lock()


os.register_at_fork(after_in_child=_leave_to_parent)
