"""How long one message of Celery's may wait on a worker, and the pieces in which longer waits are served.

A worker holds a message that is not yet due, unacknowledged. Redis and SQS give it out again after
the visibility timeout, and RabbitMQ closes the channel of a worker that holds one for longer than its
``consumer_timeout``. So a wait that is longer than `longest_wait` is cut: the message waits for one
piece, and says in a header of ours when it is due. A worker that is given such a message before its
time publishes it anew, see `deferred_signals.worker.pieces`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any

from celery.app import app_or_default

from deferred_signals import conf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Celery
    from celery.app.task import Context

try:  # Celery has it for itself, since 5.5: nothing else tells when the broker delays messages
    from celery.utils.quorum_queues import detect_quorum_queues
except ImportError:  # pragma: no cover - before

    def detect_quorum_queues(app: Celery, driver_type: str) -> tuple[bool, str]:  # noqa: ARG001
        """Say that no broker delays messages."""
        return False, ""


__all__ = ["HEADER", "due_of", "in_pieces", "longest_wait", "moment_of", "seconds_left"]

#: The header that is the library's own: a mapping, with ``due`` in seconds since the epoch.
HEADER = "deferred_signals"

#: Half of RabbitMQ's default ``consumer_timeout``, which a client cannot ask for.
RABBITMQ = 900.0

#: The last moment that `datetime` has room for, in whatever zone; a header is data from outside.
LATEST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()


def longest_wait() -> float:
    """Seconds that a message may wait on a worker; infinity where the broker does not mind.

    ``LONGEST_WAIT`` says so, and else what is known of the broker.
    """
    given = conf.current().LONGEST_WAIT
    if given is not None:
        return given
    app = app_or_default()
    connection = app.connection_for_write()  # it is not opened
    transport: Any = connection.get_transport_cls()
    if transport.driver_type == "amqp":
        return inf if _delays_by_itself(app) else RABBITMQ
    options: Mapping[str, Any] = connection.transport_options or {}
    timeout = _patience_of(transport, options)
    return inf if timeout is None else timeout / 2


def in_pieces(wait: float) -> tuple[float, dict[str, Any]]:
    """The countdown for a wait from now on, and the headers that say what is left of the wait."""
    longest = longest_wait()
    if wait <= longest:
        return wait, {}
    return longest, {HEADER: {"due": min(time.time() + wait, LATEST)}}


def due_of(request: Context) -> float | None:
    """When a message is due that waits in pieces, in seconds since the epoch; None for others."""
    given = vars(request).get(HEADER) or (request.headers or {}).get(HEADER)
    due = given.get("due") if isinstance(given, dict) else None
    if isinstance(due, bool) or not isinstance(due, (int, float)) or not 0 < due <= LATEST:
        return None
    return float(due)


def seconds_left(request: Context) -> float:
    """Seconds until a message that waits in pieces is due; 0 for others."""
    due = due_of(request)
    return 0.0 if due is None else max(0.0, due - time.time())


def moment_of(text: object) -> float | None:
    """The seconds since the epoch of a moment as Celery writes it; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None


def _delays_by_itself(app: Celery) -> bool:
    """Return whether RabbitMQ holds messages back until they are due, so that no worker does.

    Celery lets it where a queue is a quorum queue, but for queues behind a direct exchange.
    """
    if not detect_quorum_queues(app, "amqp")[0]:
        return False
    queues: Any = app.amqp.queues
    return all(queue.exchange and queue.exchange.type != "direct" for queue in queues.values())


def _patience_of(transport: Any, options: Mapping[str, Any]) -> float | None:
    """Seconds after which a transport gives a message out again that is not acknowledged."""
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
