"""What brought our messages: a message of Celery's, with one of ours or a chunk of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from celery import current_app

from deferred_signals.description import bounded, describe_kwargs
from deferred_signals.running.anew import publish_anew
from deferred_signals.running.outcomes import Failed
from deferred_signals.running.parking import park
from deferred_signals.wire import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Task
    from celery.app.task import Context

    from deferred_signals.message import Message
    from deferred_signals.running.parking import Stay

__all__ = ["Delivery", "Elsewhere", "argsrepr", "task_of"]


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


def task_of(name: str) -> Task[Any, Any]:
    """The task of a receiver, on the current app."""
    return current_app.tasks[name]


def argsrepr(calls: Sequence[str]) -> str:
    """What logs and monitors show as the arguments of a task: what is told of its messages.

    Arguments:
        calls: what is told of the kwargs of each message.

    >>> argsrepr(["instance=shop.Order 7, created"])
    '(instance=shop.Order 7, created)'
    >>> argsrepr(["order=shop.Order 7", "order=shop.Order 8"])
    '(2 calls: order=shop.Order 7; order=shop.Order 8)'
    >>> argsrepr(["order_id, email"] * 3)
    '(3 calls: order_id, email)'
    """
    if len(calls) == 1:
        return f"({calls[0]})"
    return f"({len(calls)} calls: {bounded('; '.join(dict.fromkeys(calls)))})"
