"""What brought our messages: a message of Celery's, with one of ours or a chunk of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.message.description import describe_kwargs
from deferred_signals.message.wire import pack
from deferred_signals.publishing.celery_tasks import argsrepr
from deferred_signals.running.outcomes import Failed
from deferred_signals.worker.anew import publish_anew
from deferred_signals.worker.parking import park

if TYPE_CHECKING:
    from celery.app.task import Context

    from deferred_signals.message import Message
    from deferred_signals.worker.parking import Stay

__all__ = ["Delivery", "Elsewhere"]


class Elsewhere(NamedTuple):
    """No outcome yet: a message goes on as another one, parked or published anew.

    Attributes:
        why: what a monitor is told.
        due: when the other one is due, in seconds since the epoch; None: at once.
        reason: what is not known here, if that is why.
    """

    why: str
    due: float | None = None
    reason: Exception | None = None


class Delivery(NamedTuple):
    """One message of Celery's, as a worker has it.

    Attributes:
        name: of the task that it is for.
        request: what Celery tells that task.
        calls: how many messages of ours it brought. Its time limits are for all of them.
        stay: how long it has been parked, where it is a parked one.
    """

    name: str
    request: Context
    calls: int = 1
    stay: Stay | None = None

    @property
    def redelivered(self) -> bool:
        """Whether the broker gave it out before, to a worker that is gone."""
        return bool((self.request.delivery_info or {}).get("redelivered"))

    def publish(self, message: Message, wait: float | None) -> None:
        """Publish one of its messages anew: alone, under its id, with the options it came with.

        Raises:
            CannotPublish: the broker is not known to have it.
        """
        publish_anew(
            message.receiver,
            self.request,
            (pack(message),),
            wait=wait or 0.0,
            calls=self.calls,
            task_id=message.id,
            retries=message.attempt - 1,
            argsrepr=argsrepr([describe_kwargs(message.kwargs, message.sender)]),
        )

    def keep(self, message: Message, reason: Exception) -> Elsewhere | Failed:
        """Park one of its messages until a worker knows what this one does not, or give it up.

        Raises:
            CannotPublish: the broker is not known to have it.
        """
        if self.stay is not None and self.stay.is_over:
            return Failed(reason, "UNKNOWN_GRACE is over")
        due = park(message, pack(message), self.request, reason, stay=self.stay, calls=self.calls)
        return Elsewhere("It is parked: this worker does not know what it speaks of.", due, reason)
