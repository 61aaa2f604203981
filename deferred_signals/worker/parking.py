"""Parking: keep the messages that refer to something this worker does not know yet.

While a deploy is under way the web processes may be newer than the workers. Celery drops a message
whose task it does not know. Here the message is kept under one task that every worker knows,
``deferred_signals.parked``, and tried again until ``UNKNOWN_GRACE`` is over. The same is done with a
message whose receiver is known, but not its version, or not a model, type or enum member that the
message refers to. (Republishing it under the unknown name would be a hot loop: a worker looks the
name up before it waits.)
"""

from __future__ import annotations

import logging
import time
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals import conf
from deferred_signals.errors import DecodeError
from deferred_signals.publishing.waits import due_of, moment_of
from deferred_signals.receivers import registry
from deferred_signals.support.escaping import shown
from deferred_signals.support.records import about
from deferred_signals.worker.anew import publish_anew
from deferred_signals.worker.carried import serializer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery.app.task import Context

    from deferred_signals.message import Message

__all__ = ["PARKED", "Stay", "opened", "park"]

logger = logging.getLogger("deferred_signals")

PARKED = "deferred_signals.parked"

#: Seconds before each look whether all is known by now; the last one repeats.
WAITS = (10.0, 30.0, 60.0)


class Stay(NamedTuple):
    """How long a message has been parked.

    Attributes:
        since: when it was first parked, or was due, in seconds since the epoch.
        times: how often it was parked.
    """

    since: float
    times: int

    @property
    def is_over(self) -> bool:
        """Tell whether ``UNKNOWN_GRACE`` is over."""
        return time.time() - self.since >= conf.current().UNKNOWN_GRACE


def opened(args: Sequence[object]) -> tuple[str, Stay]:
    """Take apart the arguments that `park` gave; like every message they are data from outside.

    Raises:
        DecodeError: the arguments are not of that form.
    """
    match args:
        case [str(payload), float(since), int(times)] if 0 < since < inf and times > 0:
            return payload, Stay(min(since, time.time()), times)
    raise DecodeError(f"{PARKED} takes a payload, a time and a count.", args)


def park(
    message: Message,
    payload: str,
    request: Context,
    reason: Exception,
    *,
    stay: Stay | None = None,
    calls: int = 1,
) -> float:
    """Park a message on the queue that it came from. Return when a worker looks at it again.

    Arguments:
        message: the message.
        payload: its text.
        request: what Celery told of the message that brought it.
        reason: says what this process does not know.
        stay: how long the message has been parked; None: until now it was not.
        calls: how many messages of ours the request brought.

    Raises:
        CannotPublish: the broker is not known to have it.
    """
    now = time.time()
    due = due_of(request) or moment_of(request.eta) or now
    times = 0 if stay is None else stay.times
    until = max(now + WAITS[min(times, len(WAITS) - 1)], due)
    logger.warning(
        "Message %s for receiver %s is parked for %.0f s, as this worker cannot run it yet: %s",
        shown(message.id),
        message.describe(),
        until - now,
        reason,
        extra=about("parked", receiver=message.receiver, message_id=message.id),
    )
    options: dict[str, Any] = {}
    serializer = serializer_of(request) or _usual_serializer(message)
    if serializer is not None:
        options["serializer"] = serializer
    publish_anew(
        PARKED,
        request,
        (payload, max(now, due) if stay is None else stay.since, times + 1),
        wait=until - now,
        calls=calls,
        task_id=message.id,
        argsrepr=f"({message.describe()})",
        **options,
    )
    return until


def _usual_serializer(message: Message) -> str | None:
    receiver = registry.find(message.receiver)
    return None if receiver is None else receiver.options.serializer
