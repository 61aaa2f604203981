"""Publish from a worker: next attempts, and messages that the worker parks or seals.

A worker acknowledges its delivery when the next message is with the broker. Celery's own publishing would
return too early, since on RabbitMQ it waits for no confirm, and might not return from a broker that hangs.
So a worker publishes on the same line as a commit.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from celery.app import app_or_default
from kombu.exceptions import SerializationError

from deferred_signals.publishing.lines import line_of
from deferred_signals.publishing.recorder import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deferred_signals.publishing.job import Fates

    Publish = Callable[[Any], object]


__all__ = ["PAUSE", "CannotPublish", "Refused", "patiently", "post"]

#: Seconds before publishing is tried again, or a delivery goes back to a broker in trouble.
PAUSE = 1.0

#: Seconds of trying, before the delivery goes back to the broker and is run again. With the default
#: ``BREAKER_COOLDOWN`` the broker is probed more than once meanwhile.
PATIENCE = 15.0

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class CannotPublish(Exception):
    """The next message is not known to be with the broker, so the delivery must stay there."""


class Refused(CannotPublish):
    """The next message cannot be published, however often that is tried.

    Celery cannot write the message, or the broker's user may not publish it. If the worker waited for that
    to change, the delivery would go round for ever.
    """


#: What Celery and kombu raise for a message that they cannot write.
_UNWRITABLE = (
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    SerializationError,
    TypeError,
    ValueError,
)

#: RabbitMQ's reply code if a user has no permission.
_ACCESS_REFUSED = 403


def post(
    publish: Publish, *, connect: bool = False, headers: Mapping[str, Any] | None = None
) -> None:
    """Publish one message, and wait until the broker has it.

    Arguments:
        publish: publishes the message with the kombu ``Producer`` that it is given.
        connect: the producer needs a connection, as a backend may declare the queue of a result.
        headers: headers that the message gets last, whatever Celery or anybody else put there.

    Raises:
        Refused: the message cannot be published.
        CannotPublish: the broker is not known to have the message, after ``PUBLISH_TIMEOUT``.
    """
    try:
        _publish(publish, connect=connect, headers=headers or {})
    except Exception as error:
        raise (Refused if _is_final(error) else CannotPublish) from error


def _publish(publish: Publish, *, connect: bool, headers: Mapping[str, Any]) -> None:
    app = app_or_default()
    with line_of(app).taken() as line:
        publications = [
            publication.with_headers(headers)
            for publication in recorded(app, publish, connect=connect)
        ]
        fates = line.publish(publications, _ignore, keep=False)
    for fate in fates.values():
        if fate is not None:
            raise fate.error


def _ignore(fates: Fates) -> None:
    """Hear nothing later: what a worker publishes is not kept."""


def _is_final(error: Exception) -> bool:
    """Return whether the next try would fail in the same way."""
    return (
        isinstance(error, _UNWRITABLE)
        or getattr(error, "code", None) == _ACCESS_REFUSED
        or type(error).__name__ == "NoPermissionError"  # redis-py's, by which Redis refuses a user
    )


def patiently(publish: Callable[[*Given], Result], *given: *Given) -> Result:
    """Call a function that posts, and wait for a broker that is away: what has run should not run again.

    Raises:
        Refused: waiting would not help.
        CannotPublish: the broker is not back after `PATIENCE` seconds.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return publish(*given)
        except Refused:
            raise
        except CannotPublish:
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)
