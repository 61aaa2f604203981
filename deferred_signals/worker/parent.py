"""What the worker's parent process does when a child dies or overruns its hard time limit.

Both are told to `celery.worker.request.Request` in the surviving parent. Celery would drop the
message, or requeue it without counting; here the attempt is charged, and the next one published
under the same id before the old message is acknowledged. Of a chunk only the call that ran is
charged. Imported by workers only.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from deferred_signals.errors import DecodeError
from deferred_signals.publishing.posting import CannotPublish
from deferred_signals.publishing.waits import seconds_left
from deferred_signals.running import executor
from deferred_signals.worker.chunks import SLOT, go_on_alone
from deferred_signals.worker.delivery import Delivery
from deferred_signals.worker.parking import PARKED, opened
from deferred_signals.worker.pieces import go_on_waiting
from deferred_signals.worker.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ReceiverRequest"]


class ReceiverRequest(Request):
    """A request of a deferred receiver."""

    #: Celery's, which its stubs do not know.
    _already_revoked: bool
    _context: Any

    _charged = False
    _progress: Progress | None = None

    def info(self, safe: bool = False) -> Any:  # noqa: FBT001, FBT002 - Celery's signature
        """What ``inspect active`` and its like show: names of kwargs, no values."""
        del safe
        return super().info(safe=True)

    @property
    def request_dict(self) -> dict[str, Any]:
        """What the child is given.

        Of a chunk it shall know the place where it notes how far it got, and of a parked message
        how its body was serialized, which not all transports tell.
        """
        given: dict[str, Any] = super().request_dict
        properties = given["properties"]
        if self.type == PARKED:
            return {**given, "properties": {"content_type": self.content_type, **properties}}
        if len(self._payloads) < 2:  # noqa: PLR2004 - no chunk
            return given
        if self._progress is None:
            self._progress = Progress.shared()
        return {**given, "properties": {**properties, SLOT: self._progress.slot}}

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
        payloads, progress = self._payloads, self._progress or Progress()
        if len(payloads) == 1:
            progress.begin()
        progress.take_over()
        settled = []
        try:
            if seconds_left(self._context):  # nothing has run: it was to wait for its next piece
                go_on_waiting(self.type, self._context, self.args)
            else:
                settled = go_on_alone(self._delivery, payloads, progress, error)
        except CannotPublish:
            self.reject(requeue=True)
            return
        self.acknowledge()
        for message, outcome in settled:
            executor.settle(message, outcome)

    @property
    def _delivery(self) -> Delivery:
        stay = None
        if self.type == PARKED:
            with suppress(DecodeError):
                _, stay = opened(self.args)
        return Delivery(self.type, self._context, len(self._payloads), stay)

    @property
    def _payloads(self) -> Sequence[object]:
        """The texts of the messages that it brought."""
        if not isinstance(self.args, (list, tuple)):
            return ()
        return self.args[:1] if self.type == PARKED else self.args
