"""What a message of Celery's carries beside its task and arguments, so that the next one is like it.

Celery's own ``signature_from_request`` keeps most of it. It does not keep custom headers where a
tracer has put its own into a place of their own, nor the compression, nor the queue where the broker
has moved the message on its way.

Celery documents none of this as an interface: the names of its own headers, how the two versions of
its message protocol differ, and how its delayed delivery on RabbitMQ names things. Of what a worker
does, only this file depends on that.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.app.task import Context
from kombu import serialization

from deferred_signals.publishing.celery_headers import CELERYS, custom_headers, inherited_headers
from deferred_signals.publishing.waits import moment_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Task

__all__ = [
    "compression_of",
    "headers_of",
    "ignores_result",
    "options_of",
    "queue_of",
    "request_of",
    "serializer_of",
    "shown_of",
]

#: Names of serializers, by the content types of bodies.
_serializers: Mapping[object, str] = serialization.registry.type_to_name  # type: ignore[attr-defined]  # its stubs lack it

#: The exchange, and the key's prefix, of a message that RabbitMQ itself has held back.
_DELAYED = "celery_delayed_delivery"
_DELAY = re.compile(r"([01]\.)+")


def headers_of(request: Context) -> dict[str, Any]:
    """Return the headers that neither Celery, nor the broker, nor this library gave a message.

    Tracers also put theirs into a header called ``headers``, since Celery looks for them there. The
    attribute ``headers`` of a request then shows no other ones.
    """
    given = vars(request)
    inner = request.headers or {}
    if "lang" not in given:  # protocol 1, whose headers are all of them custom
        return custom_headers(inner)
    shown = {key: value for key, value in given.items() if key not in CELERYS}
    found = custom_headers(shown)
    if inner and inner != shown:
        found["headers"] = inner
    return found


def options_of(request: Context, calls: int = 1) -> dict[str, Any]:
    """Return what a message was published with, as options of ``apply_async`` for one of its calls.

    Arguments:
        request: what Celery tells of the message.
        calls: how many calls its time limits are for.
    """
    hard, soft = request.timelimit or (None, None)
    info = request.delivery_info or {}
    headers = headers_of(request) | inherited_headers(vars(request))
    expires = moment_of(request.expires)
    options = {
        **_route_of(request),
        "headers": headers or None,
        "priority": info.get("priority"),
        "compression": compression_of(request),
        "expires": None if expires is None else expires - time.time(),
        "time_limit": hard and hard / calls,
        "soft_time_limit": soft and soft / calls,
    }
    return {name: value for name, value in options.items() if value is not None}


def _route_of(request: Context) -> dict[str, Any]:
    queue = queue_of(request)
    if queue is not None:
        return {"queue": queue}
    info = request.delivery_info or {}
    return {name: info.get(name) for name in ("exchange", "routing_key")}


def compression_of(request: Context) -> str | None:
    """Return how a message's body was compressed: the type that kombu notes in a header."""
    given = vars(request).get("compression") or (request.headers or {}).get("compression")
    return given if isinstance(given, str) else None


def ignores_result(request: Context, task: Task[Any, Any]) -> bool:
    """Return whether a message's result is ignored; a message that does not tell goes by its task."""
    given = vars(request).get("ignore_result")
    return bool(task.ignore_result if given is None else given)


def shown_of(request: Context) -> str:
    """Return what logs and monitors show as the arguments of a message."""
    return vars(request).get("argsrepr") or "(...)"


def serializer_of(request: Context) -> str | None:
    """Return the serializer of a message's body, where the transport tells it."""
    return _serializers.get((request.properties or {}).get("content_type"))


def queue_of(request: Context) -> str | None:
    """Return the queue that a message came by; None where only exchange and routing key are known."""
    info = request.delivery_info or {}
    exchange, key = info.get("exchange") or "", info.get("routing_key") or ""
    if not exchange:
        return key or None
    delayed = exchange.endswith(_DELAYED)
    if delayed:
        key = _DELAY.sub("", key, count=1)
    queues: Any = current_app.amqp.queues
    for queue in queues.values():
        if queue.routing_key == key and (
            delayed or getattr(queue.exchange, "name", "") == exchange
        ):
            return str(queue.name)
    return None


def request_of(message: Any) -> tuple[list[Any], Context]:
    """Return the arguments that a message of kombu's brings, and the request that its task would see.

    Raises:
        LookupError, TypeError, ValueError: it is no message of Celery's.
    """
    properties = dict(message.properties or {})
    properties.setdefault("content_type", message.content_type)
    info = dict(message.delivery_info or {})
    seen = {
        "properties": properties,
        "reply_to": properties.get("reply_to"),
        "correlation_id": properties.get("correlation_id"),
        "delivery_info": {
            "exchange": info.get("exchange"),
            "routing_key": info.get("routing_key"),
            "priority": properties.get("priority"),
        },
    }
    payload = message.payload
    if isinstance(payload, dict):  # protocol 1
        return list(payload["args"]), Context({**payload, "headers": message.headers, **seen})
    args, _kwargs, embed = payload
    return list(args), Context({**message.headers, **(embed or {}), **seen})
