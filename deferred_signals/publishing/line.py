"""The process's line to the broker: the thread that connects and publishes, and the breaker.

A commit must not be the hostage of a broker. So one daemon thread connects, declares and publishes.
It takes all flushes that wait as one batch, so that fifty threads on a slow network wait about as
long as one. A commit waits for its own messages, at most ``PUBLISH_TIMEOUT`` from its own start,
whatever hangs: the resolution of a name, a handshake, a write, a reply. Where a few messages have a
connection that is ready and idle, the commit's own thread publishes them: to wake another thread
takes about as long as a round trip on a loopback.

The deadline frees the commit, not its messages. What was not begun stays in the line's memory and
leaves when it can. What was begun waits for the broker's answer, and nothing else is written on that
connection meanwhile. The fate of each message is told once. What may or may not have arrived is never
published again: it is "not known to be published".

When a commit has waited in vain, the breaker opens: commits that follow do not wait, and the thread
alone tries the broker, every ``BREAKER_COOLDOWN``.

Where no thread can be started, since there are too many, the process ends, or uWSGI is about to fork
it, commits publish on their own threads, and nothing is kept.

A handler of a Unix signal runs between two steps of the main thread, and a finalizer between two
steps of any, and both may send. So the thread that holds a lock in here can take it again. The
connection cannot be used again in the midst of a message: another line is made for those who
interrupt. That one publishes on the calling thread, since the interrupted code may hold locks of
Celery's and kombu's, which no other thread could take meanwhile.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from deferred_signals.errors import PublishError
from deferred_signals.publishing.breaker import settings
from deferred_signals.publishing.job import Job
from deferred_signals.publishing.line_thread import LineThread
from deferred_signals.publishing.writer import no_answer
from deferred_signals.support.telling import is_interruption
from deferred_signals.support.uwsgi import may_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from celery import Celery

    from deferred_signals.publishing.job import Fates
    from deferred_signals.publishing.patterns import Copy, Publication

__all__ = ["Line"]


class Line:
    """Publish to one broker, for all threads of the process.

    Arguments:
        app: the Celery app whose settings say where the broker is.
        has_thread: whether another thread may connect and publish.
    """

    def __init__(self, app: Celery, *, has_thread: bool = True) -> None:
        self._app = app
        self._thread = LineThread(app, self._be_taken, allowed=has_thread)
        self._work = self._thread.work
        #: Whether the calling thread is in a block of `taken`.
        self._caller = threading.local()
        self._spare: Line | None = None

    @contextmanager
    def taken(self) -> Iterator[Line]:
        """Give the line on which to publish in the block: another one to those who interrupt it."""
        if getattr(self._caller, "is_publishing", False):
            if self._spare is None:
                self._spare = Line(self._app, has_thread=False)
            with self._spare.taken() as spare:
                yield spare
            return
        self._caller.is_publishing = True
        try:
            yield self
        finally:
            self._caller.is_publishing = False

    def _be_taken(self) -> None:
        self._caller.is_publishing = True

    @property
    def is_away(self) -> bool:
        """Return whether the breaker is open."""
        return self._work.breaker.reason is not None

    def wake(self, publications: Sequence[Publication | Copy] = ()) -> None:
        """Connect soon, so that the first commit finds a connection.

        Arguments:
            publications: declare what publications like these need.
        """
        self._thread.connect_soon(publications)

    def publish(
        self,
        publications: Sequence[Publication | Copy],
        tell: Callable[[Fates], object],
        *,
        tell_late: Callable[[Fates], object] | None = None,
        keep: bool = True,
        wait: bool = True,
    ) -> Fates:
        """Hand publications to the broker, in order; on a line that was taken.

        Waits for the broker no longer than ``PUBLISH_TIMEOUT``. Never raises for what a broker does,
        nor for a lack of threads.

        Arguments:
            publications: what to publish.
            tell: is called with the fates that are known if this is interrupted.
            tell_late: is called with the fates that become known later, on another thread; by default
                ``tell`` is.
            keep: whether what has not begun by then may still be published later.
            wait: whether to wait for the broker at all.

        Returns:
            By the places of the publications: None where the broker has one, a failure where that is
            not known and never will be. Those of the others will be told.
        """
        if not publications:
            return {}
        patience = settings().PUBLISH_TIMEOUT if wait else 0.0
        if not keep:
            patience = patience or settings().CONNECT_TIMEOUT
        if wait and may_fork():  # there is no thread to keep for, and no request waits yet
            patience = max(patience, settings().CONNECT_TIMEOUT)
        deadline = monotonic() + patience
        job = Job(publications, tell_late or tell, deadline)
        try:
            # The broker may refuse one message, and drop those behind it, or be found gone before.
            if not self._publish_here(job, deadline) or job.not_begun:
                if self._thread.start():
                    self._publish_there(job)
                else:
                    self._publish_alone(job, deadline)
            if not job.is_done:
                self._wait(job, deadline, patience, keep=keep)
        except BaseException:
            self._work.waiting.end(job, InterruptedError("the wait for the broker was interrupted"))
            tell(job.take())
            raise
        return job.take()

    def _publish_here(self, job: Job, deadline: float) -> bool:
        """Write on the commit's thread, if that takes one round trip. Return whether it was done."""
        if self._work.breaker.reason is not None or self._work.waiting or monotonic() >= deadline:
            return False
        # gevent's locks let all other greenlets run when an attempt fails, so look first.
        if self._thread.turn.locked() or not self._thread.turn.acquire(blocking=False):
            return False
        is_left = False
        try:
            if not self._work.writer.is_ready(job):
                return False
            self._thread.deadline = deadline
            self._work.writer.write(job)
            if not self._work.writer.collect(deadline):
                if not self._thread.start():  # there is nobody to wait for the answer
                    raise no_answer(settings().PUBLISH_TIMEOUT)  # noqa: TRY301 - as a driver would
                is_left = True
        except BaseException as error:
            failure = error
            if monotonic() >= deadline:  # the line's thread has shut the connection
                self._work.open(failure := no_answer(settings().PUBLISH_TIMEOUT))
            self._work.writer.give_up(failure)
            if not isinstance(error, Exception) or is_interruption(error):
                raise
        finally:
            self._thread.deadline = None
            if is_left:
                self._thread.leave_turn()
            else:
                self._thread.turn.release()
        return True

    def _publish_there(self, job: Job) -> None:
        """Let the line's thread publish."""
        self._work.waiting.add(job)
        self._thread.ring()

    def _wait(self, job: Job, deadline: float, patience: float, *, keep: bool) -> None:
        """Wait for the line's thread; if that was in vain, open the breaker, and keep what may be."""
        if patience and self._work.breaker.reason is None and self._thread.is_running:
            if job.wait(deadline - monotonic()):
                return
            if self._work.breaker.reason is None:
                self._work.open(no_answer(patience))
        reason = self._work.breaker.reason or no_answer(patience)
        if keep:
            had_its_time = patience > 0 or self._work.breaker.reason is not None
            self._work.waiting.keep(job, reason, had_its_time=had_its_time)
        else:
            self._work.waiting.end(job, reason)

    def _publish_alone(self, job: Job, deadline: float) -> None:
        """Publish on the commit's thread, since there is no other: connect, and keep nothing."""
        if self._work.breaker.reason is not None and not self._work.breaker.is_due:
            job.end(self._work.breaker.reason)
            return
        if not self._thread.turn.acquire(timeout=max(0.0, deadline - monotonic())):
            self._work.open(TimeoutError("other threads had the broker to themselves"))
        else:
            try:
                self._work.waiting.add(job)
                while (
                    job.not_begun
                    and (rest := deadline - monotonic()) > 0
                    and self._work.connect(rest, rest)
                ):
                    for other in self._work.publish_next(until=deadline):
                        other.tell()
            finally:
                self._thread.turn.release()
        job.end(self._work.breaker.reason or no_answer(settings().PUBLISH_TIMEOUT))

    def spill_soon(self) -> None:
        """Have what waits for a store given to it, by the line's thread if there is one."""
        self._thread.spill_soon()

    def retire(self) -> None:
        """End the thread and the connection, once nothing waits: the settings name another broker."""
        self._thread.retire()

    def drop_kept(self, *, tell: bool) -> None:
        """Keep nothing any longer.

        Arguments:
            tell: tell of what was kept.
        """
        for job in self._work.waiting.drop_kept(PublishError("the test ended"), tell=tell):
            job.tell()

    def close(self, patience: float) -> None:
        """Publish what is kept, since the process ends; give up what cannot be published in time.

        Arguments:
            patience: seconds that this may take.
        """
        self._thread.close(patience)
