"""What brought our messages: a message of Celery's, with one of ours or a chunk of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from celery import current_app

from deferred_signals.running.parking import Origin, park
from deferred_signals.running.posting import post
from deferred_signals.wire import pack

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from celery import Task
    from celery.app.task import Context

    from deferred_signals.message import Message

__all__ = ["Delivery", "argsrepr", "task_of"]


class Delivery(NamedTuple):
    """One message of Celery's, as a worker has it.

    Attributes:
        name: of the task that it is for.
        request: what Celery tells that task.
        calls: how many messages of ours it brought. Its time limits are for all of them.
    """

    name: str
    request: Context
    calls: int = 1

    @property
    def redelivered(self) -> bool:
        """Whether the broker gave it out before, to a worker that is gone."""
        return bool((self.request.delivery_info or {}).get("redelivered"))

    def publish(self, message: Message, wait: float | None) -> None:
        """Publish one of its messages anew: alone, under its id, with the options it came with.

        Raises:
            CannotPublish: the broker is not known to have it.
        """
        hard, soft = self.request.timelimit or (None, None)
        task = task_of(message.receiver)
        signature = task.signature_from_request(
            self.request,
            args=(pack(message),),
            kwargs={},
            task_id=message.id,
            time_limit=hard and hard / self.calls,
            soft_time_limit=soft and soft / self.calls,
            countdown=wait,
            retries=message.attempt - 1,
            argsrepr=argsrepr([message.kwargs]),
            kwargsrepr="{}",
        )
        post(
            lambda producer: signature.apply_async(producer=producer),
            connect=not task.ignore_result,
        )

    def park(self, message: Message) -> None:
        """Keep one of its messages until a worker knows its receiver.

        Raises:
            CannotPublish: the broker is not known to have it.
        """
        park(message, pack(message), Origin.of_request(self.request, self.calls))


def task_of(name: str) -> Task[Any, Any]:
    """The task of a receiver, on the current app."""
    return current_app.tasks[name]


def argsrepr(calls: Sequence[Collection[str]]) -> str:
    """What logs and monitors may see of the arguments of messages: their names.

    Arguments:
        calls: for each message, the names of its kwargs.

    >>> argsrepr([["order_id", "email"]])
    '(order_id, email)'
    >>> argsrepr([["order_id"], ["order_id", "gift"]])
    '(2 calls: order_id, gift)'
    """
    if len(calls) == 1:
        return f"({', '.join(calls[0])})"
    names = ", ".join(dict.fromkeys(name for call in calls for name in call))
    return f"({len(calls)} calls: {names})"
