"""A delivery: one message of Celery's that a worker was given, with one of ours or a chunk of them."""

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

__all__ = ["GRACE_IS_OVER", "Delivery", "Elsewhere", "GivenBack"]

#: Why a message fails that never ran, since no worker knew it.
GRACE_IS_OVER = "UNKNOWN_GRACE is over"


class Elsewhere(NamedTuple):
    """The message has no outcome here: it goes on as another one, parked or republished.

    Attributes:
        why: what a monitor shows.
        due: when the other message is due, in seconds since the epoch; None: at once.
        reason: what this process does not know, if the message is parked.
    """

    why: str
    due: float | None = None
    reason: Exception | None = None


class GivenBack(NamedTuple):
    """The message has no outcome here: it goes back to the broker, which takes no other for it.

    Attributes:
        error: says why nothing could be published.
    """

    error: Exception


class Delivery(NamedTuple):
    """One message of Celery's, as a worker has it.

    Attributes:
        name: the name of the Celery task that the message is for.
        request: what Celery tells that task.
        calls: how many messages of ours it brought. Its time limits are for all of them.
        stay: how long the message has been parked, if it is a parked one.
        in_parent: the worker's parent has it, on its own thread, which must not wait for a database.
    """

    name: str
    request: Context
    calls: int = 1
    stay: Stay | None = None
    in_parent: bool = False

    @property
    def redelivered(self) -> bool:
        """Tell whether the broker delivered the message before, to a worker that is gone."""
        return bool((self.request.delivery_info or {}).get("redelivered"))

    def publish(self, message: Message, wait: float | None) -> None:
        """Republish one of its messages: alone, under its id, with the options that it came with.

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

        Arguments:
            message: the message.
            reason: says what this process does not know.

        Raises:
            CannotPublish: the broker is not known to have it.
        """
        if self.stay is not None and self.stay.is_over:
            return Failed(reason, GRACE_IS_OVER)
        due = park(message, pack(message), self.request, reason, stay=self.stay, calls=self.calls)
        why = "Parked: this worker does not know something that the message refers to."
        return Elsewhere(why, due, reason)
