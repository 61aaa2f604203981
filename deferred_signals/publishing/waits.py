"""Decide how long one Celery message may wait on a worker, and cut longer waits into pieces.

A worker holds a message that is not yet due, unacknowledged. Redis and SQS redeliver the message after the
visibility timeout, and RabbitMQ closes the channel of a worker that holds a message for longer than its
``consumer_timeout``. So a wait that is longer than `longest_wait` is cut. The message waits for one piece,
and a header of the library's says when it is due. A worker that is given such a message before it is due
publishes it anew: see `deferred_signals.worker.pieces`.

Where a store is plugged in, no worker holds a message for a long wait. The message leaves at once, with the
same header, and the worker that is given it puts it into the store.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any

from celery.app import app_or_default

from deferred_signals import conf
from deferred_signals.publishing.stores import has_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Celery
    from celery.app.task import Context

# This is the one place that uses Celery's own test of whether the broker delays messages. It is not
# documented, and nothing else tells. Celery has it since 5.5.
try:
    from celery.utils.quorum_queues import detect_quorum_queues
except ImportError:  # pragma: no cover - before

    def detect_quorum_queues(app: Celery, driver_type: str) -> tuple[bool, str]:  # noqa: ARG001
        """Return that no broker delays messages."""
        return False, ""


__all__ = [
    "HEADER",
    "due_in",
    "due_of",
    "first_piece",
    "in_pieces",
    "is_long",
    "longest_wait",
    "moment_of",
    "seconds_left",
]

#: The library's own header: a mapping, with ``due`` in seconds since the epoch.
HEADER = "deferred_signals"

#: Seconds from which on a wait is a store's, if there is one, whatever the broker allows.
LONG = 60.0

#: Half of RabbitMQ's default ``consumer_timeout``, which a client cannot ask for.
RABBITMQ = 900.0

#: The last moment that `datetime` can hold in every zone. A header is data from outside.
LATEST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()


def longest_wait() -> float:
    """Return the seconds that a message may wait on a worker; infinity if the broker sets no limit.

    ``LONGEST_WAIT`` decides, and without it what is known of the broker.
    """
    given = conf.current().LONGEST_WAIT
    if given is not None:
        return given
    app = app_or_default()
    connection = app.connection_for_write()  # which is not made
    transport: Any = connection.get_transport_cls()
    if transport.driver_type == "amqp":
        return inf if _delays_by_itself(app) else RABBITMQ
    options: Mapping[str, Any] = connection.transport_options or {}
    timeout = _patience_of(transport, options)
    return inf if timeout is None else timeout / 2


def in_pieces(wait: float) -> tuple[float, dict[str, Any]]:
    """Return the countdown for a wait that begins now, and the headers that say when the wait ends."""
    longest = longest_wait()
    if wait <= longest:
        return wait, {}
    return longest, _until(wait)


def is_long(wait: float) -> bool:
    """Return whether a wait is a store's, if there is one."""
    return wait > min(LONG, longest_wait())


def first_piece(wait: float) -> tuple[float, dict[str, Any]]:
    """Return the same as `in_pieces`, but no countdown where the wait is a store's."""
    if has_store() and is_long(wait):
        return 0.0, _until(wait)
    return in_pieces(wait)


def _until(wait: float) -> dict[str, Any]:
    return {HEADER: {"due": min(time.time() + wait, LATEST)}}


def due_of(request: Context) -> float | None:
    """Return when a message that waits in pieces is due, in seconds since the epoch; None for others."""
    given = vars(request).get(HEADER) or (request.headers or {}).get(HEADER)
    return None if given is None else _due(given)


def due_in(headers: Mapping[str, Any]) -> float | None:
    """Return the same by the headers of a message."""
    return _due(headers.get(HEADER))


def _due(given: object) -> float | None:
    due = given.get("due") if isinstance(given, dict) else None
    if isinstance(due, bool) or not isinstance(due, (int, float)) or not 0 < due <= LATEST:
        return None
    return float(due)


def seconds_left(request: Context) -> float:
    """Return the seconds until a message that waits in pieces is due; 0 for others."""
    due = due_of(request)
    return 0.0 if due is None else max(0.0, due - time.time())


def moment_of(text: object) -> float | None:
    """Return the seconds since the epoch of a moment as Celery writes it; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None


def _delays_by_itself(app: Celery) -> bool:
    """Return whether RabbitMQ holds messages back until they are due, so that no worker has to.

    Celery uses RabbitMQ's delays if a queue is a quorum queue, except for queues behind a direct exchange.
    """
    if not detect_quorum_queues(app, "amqp")[0]:
        return False
    queues: Any = app.amqp.queues
    return all(queue.exchange and queue.exchange.type != "direct" for queue in queues.values())


def _patience_of(transport: Any, options: Mapping[str, Any]) -> float | None:
    """Return the seconds after which a transport redelivers a message that is not acknowledged."""
    channel = transport.Channel
    for option in ("visibility_timeout", "peek_lock_seconds"):  # the latter is Azure's
        usual = getattr(channel, f"default_{option}", getattr(channel, option, None))
        if isinstance(usual, (int, float)):
            given = options.get(option)
            try:
                return float(given) if given else float(usual)
            except (TypeError, ValueError):
                return float(usual)
    return None
