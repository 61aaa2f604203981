"""What the worker's parent process does when a child dies or overruns its hard time limit.

Both are told to `celery.worker.request.Request` in the surviving parent. Celery would drop the
message, or requeue it without counting; here the attempt is charged, and the next one published
under the same id before the old message is acknowledged. Imported by workers only.
"""

from __future__ import annotations

from typing import Any

from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from deferred_signals.errors import DecodeError
from deferred_signals.running import executor
from deferred_signals.running.parking import CannotPublish
from deferred_signals.running.tasks import publish_next, task_of
from deferred_signals.wire import unpack

__all__ = ["ReceiverRequest"]


class ReceiverRequest(Request):
    """A request of a deferred receiver."""

    #: Celery's, which its stubs do not know.
    _already_revoked: bool
    _context: Any

    _charged = False

    def info(self, safe: bool = False) -> Any:  # noqa: FBT001, FBT002 - Celery's signature
        """What ``inspect active`` and its like show: names of kwargs, no values."""
        del safe
        return super().info(safe=True)

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001 - Celery's signature
        """A time limit was exceeded; after a hard one Celery kills the child."""
        if not soft:
            self._charge(TimeLimitExceeded(timeout))
        super().on_timeout(soft, timeout)

    def on_failure(
        self,
        exc_info: Any,
        send_failed_event: bool = True,  # noqa: FBT001, FBT002 - Celery's signature
        return_ok: bool = False,  # noqa: FBT001, FBT002 - Celery's signature
    ) -> None:
        """The run ended with an exception, or its process ended without a word."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        # return_ok: the child itself told of the exception, so it lives and has settled already.
        died = isinstance(error, (WorkerLostError, TimeLimitExceeded)) or self._exited(error)
        if died and not return_ok:
            self._charge(error)
        super().on_failure(exc_info, send_failed_event, return_ok)

    def _exited(self, error: BaseException) -> bool:
        # billiard 4.3 tells of an exit before the child ends; Celery's own cancelling looks alike.
        ended_by_us = self._already_revoked or getattr(self, "_already_cancelled", False)
        return isinstance(error, (SystemExit, KeyboardInterrupt)) and not ended_by_us

    def _charge(self, error: BaseException) -> None:
        if self._charged:
            return
        self._charged = True
        try:
            message = unpack(self.args[0])
        except (DecodeError, LookupError):
            return  # the child had refused it, or would have: nothing to try again
        outcome = executor.charge(message, error)
        if isinstance(outcome, executor.Retrying):
            try:
                publish_next(
                    task_of(message.receiver), self._context, message.next_attempt(), outcome.wait
                )
            except CannotPublish:
                self.reject(requeue=True)
                return
        self.acknowledge()
        executor.settle(message, outcome)
