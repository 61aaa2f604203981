"""Ask Celery which queue a task's messages go to, and the broker whether messages wait in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.app import app_or_default
from celery.app.routes import MapRoute

from deferred_signals.publishing.breaker import settings
from deferred_signals.publishing.clients import bound, connected, let_go
from deferred_signals.publishing.recorder import Recorder
from deferred_signals.support.forks import unforked

if TYPE_CHECKING:
    from deferred_signals.publishing.parcels import Postable
    from deferred_signals.publishing.patterns import Route

__all__ = ["has_ready", "queue_of_task", "route_of"]

#: The reply code for a queue that is not there: a number from RabbitMQ, and a text from kombu for Redis.
NOT_FOUND = "404"


def queue_of_task(name: str) -> str | None:
    """Return the queue of the messages of a task that names none.

    No queue is created for the question, and no route that is a callable of the project's is called: then
    the answer is None, as it is where a route names an exchange and not a queue.
    """
    app: Any = app_or_default()
    for route in app.amqp.router.routes:
        if not isinstance(route, MapRoute):
            return None
        found = route(name)
        if found is not None:
            if not found.get("queue") and not found.keys().isdisjoint(_OF_EXCHANGES):
                return None
            queue = found.get("queue") or app.conf.task_default_queue
            return str(getattr(queue, "name", queue))
    return str(app.conf.task_default_queue)


#: What a route may name in place of a queue.
_OF_EXCHANGES = frozenset({"exchange", "routing_key"})


def route_of(parcel: Postable) -> tuple[Route, str | None]:
    """Return the route of a parcel, and the one queue that it leads to; None where that cannot be told."""
    with unforked():
        first, *_others = Recorder(app_or_default()).record(parcel)
    queues = [item for item in first.declare if hasattr(item, "bindings")]
    if len(queues) != 1 or first.exchange not in {"", getattr(queues[0].exchange, "name", "")}:
        return first.route, None
    return first.route, str(queues[0].name)


def has_ready(queue: str) -> bool | None:
    """Return whether messages wait in a queue; None where the broker does not tell.

    A queue that does not exist has none: Redis has no empty ones.

    Raises:
        Exception: the broker is away.
    """
    client = app_or_default().connection_for_read()
    patience = settings().CONNECT_TIMEOUT
    bound(client, patience)
    try:
        channel = connected(client, patience)
        try:
            return bool(channel.queue_declare(queue, passive=True).message_count)
        except client.channel_errors as error:
            return False if str(getattr(error, "reply_code", "")) == NOT_FOUND else None
    finally:
        let_go(client)
