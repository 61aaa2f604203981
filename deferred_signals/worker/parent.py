"""What the worker's parent process does when a child dies or overruns its hard time limit.

Both are told to `celery.worker.request.Request` in the surviving parent. Celery would drop the
message, or requeue it without counting. Here the attempt is charged, and the next one is published
under the same id before the old message is acknowledged. Of a chunk only the call that ran is
charged. Imported by workers only.

Celery documents a task's own ``Request`` class, with `on_timeout` and `on_failure`. What else is
used here is not documented: ``info``, ``request_dict``, ``reject()``, and the attributes declared
below.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from deferred_signals.errors import ConfigurationError, DecodeError
from deferred_signals.message.wakeup import is_wake_up
from deferred_signals.publishing.posting import CannotPublish
from deferred_signals.publishing.waits import seconds_left
from deferred_signals.running.settling import settle
from deferred_signals.worker.delivery import Delivery
from deferred_signals.worker.keeping import bury
from deferred_signals.worker.parking import PARKED, opened
from deferred_signals.worker.pieces import go_on_waiting
from deferred_signals.worker.progress import SLOT, Progress
from deferred_signals.worker.rows import note_received, rows
from deferred_signals.worker.unfinished import republish_unfinished

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ReceiverRequest"]


class ReceiverRequest(Request):
    """A request of a deferred receiver, in the worker's parent."""

    #: Celery's, which its stubs do not know.
    _already_revoked: bool
    worker_pid: Any
    _context: Any

    _charged = False
    _progress: Progress | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with suppress(Exception):  # what cannot be read is told of when it is run
            payloads = self._payloads
            if payloads and is_wake_up(payloads[0]):
                note_received(str(payloads[0]), self.delivery_info)

    def info(self, safe: bool = False) -> Any:  # noqa: FBT001, FBT002 - Celery's signature
        """Tell ``inspect active`` and its like the names of kwargs, and no values."""
        del safe
        return super().info(safe=True)

    @property
    def request_dict(self) -> dict[str, Any]:
        """Make what the child is given.

        The child of a chunk is told where it notes how far it got. The child of a parked message is
        told how the message's body was serialized, which not all transports tell.
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
        """Charge a run that exceeded its hard time limit; Celery then kills the child."""
        if not soft:
            self._charge(TimeLimitExceeded(timeout))
        super().on_timeout(soft, timeout)

    def on_failure(
        self,
        exc_info: Any,
        send_failed_event: bool = True,  # noqa: FBT001, FBT002 - Celery's signature
        return_ok: bool = False,  # noqa: FBT001, FBT002 - Celery's signature
    ) -> None:
        """Charge a run whose process ended without telling how the run ended."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        # return_ok: the child itself told of the exception, so it lives and has settled already.
        died = isinstance(error, (WorkerLostError, TimeLimitExceeded)) or self._exited(error)
        if died and not return_ok:
            self._charge(error)
        super().on_failure(exc_info, send_failed_event, return_ok)

    def _exited(self, error: BaseException) -> bool:
        """Return whether the child exited by itself, and not because Celery cancelled the task.

        billiard 4.3 tells of an exit before the child ends, by the same exception for both.
        """
        cancelled = self._already_revoked or getattr(self, "_already_cancelled", False)
        return isinstance(error, (SystemExit, KeyboardInterrupt)) and not cancelled

    def _charge(self, error: BaseException) -> None:
        """Charge the call that ran, republish the other ones, and acknowledge the delivery."""
        if self._charged:
            return
        self._charged = True
        payloads, progress = self._payloads, self._progress or Progress()
        if payloads and is_wake_up(payloads[0]):
            self._charge_rows([str(payload) for payload in payloads], progress, error)
            return
        if len(payloads) == 1:
            progress.begin()
        progress.take_over()
        pairs = []
        try:
            if seconds_left(self._context):  # nothing has run: it was to wait for its next piece
                go_on_waiting(self.type, self._context, self.args)
            else:
                pairs = republish_unfinished(self._delivery, payloads, progress, error)
        except CannotPublish:
            self.reject(requeue=True)
            return
        for message, outcome in pairs:
            bury(self._delivery, message, outcome)
        self.acknowledge()
        for message, outcome in pairs:
            settle(message, outcome)

    def _charge_rows(
        self, wake_ups: Sequence[str], progress: Progress, error: BaseException
    ) -> None:
        """Leave rows whose process died to a thread that may wait for the database."""
        progress.take_over()
        with suppress(ConfigurationError):  # without an outbox no run of a row began here
            rows().charge(self.type, wake_ups, progress, self.worker_pid, error)
        self.acknowledge()

    @property
    def _delivery(self) -> Delivery:
        stay = None
        if self.type == PARKED:
            with suppress(DecodeError):
                _, stay = opened(self.args)
        return Delivery(self.type, self._context, len(self._payloads), stay, in_parent=True)

    @property
    def _payloads(self) -> Sequence[object]:
        """Return the texts of the messages that the request brought."""
        if not isinstance(self.args, (list, tuple)):
            return ()
        return self.args[:1] if self.type == PARKED else self.args
