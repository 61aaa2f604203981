"""What a worker publishes: next attempts, and messages that it parks or seals.

The message that it has in its hands is acknowledged when the next one is with the broker. Celery's
own publishing would say so too early, since on RabbitMQ it waits for no confirm, and might not come
back from a broker that hangs. So it goes the same way as what a commit publishes.
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

    Publish = Callable[[Any], object]


__all__ = ["PAUSE", "CannotPublish", "Refused", "patiently", "post"]

#: Seconds before a message that could not be published is tried again, or goes back to a broker in
#: trouble.
PAUSE = 1.0

#: Seconds in which to try, before the message in hand goes back to the broker, to be run again: a
#: breaker that is open as long as by default looks for the broker more than once meanwhile.
PATIENCE = 15.0

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class CannotPublish(Exception):
    """The next message is not known to be with the broker, so this one must stay there."""


class Refused(CannotPublish):
    """The next message cannot be published, however often that is tried.

    Celery cannot write it, or the broker's user may not publish it. To wait for that to change
    would let the message in hand go round for ever.
    """


#: What Celery and kombu raise at a message that they cannot write.
_UNWRITABLE = (
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    SerializationError,
    TypeError,
    ValueError,
)

#: The code with which RabbitMQ tells a user what it may not do.
_ACCESS_REFUSED = 403


def post(
    publish: Publish, *, connect: bool = False, headers: Mapping[str, Any] | None = None
) -> None:
    """Publish one message, and wait until the broker has it.

    Arguments:
        publish: publishes it with the kombu ``Producer`` that it is given.
        connect: the producer needs a connection, as a backend may declare the queue of a result.
        headers: that the message has in the end, whatever else Celery is told, and by whom.

    Raises:
        Refused: it cannot be published.
        CannotPublish: the broker is not known to have it. That is known after ``PUBLISH_TIMEOUT``.
    """
    try:
        _publish(publish, connect=connect, headers=headers or {})
    except Exception as error:
        raise (Refused if _is_final(error) else CannotPublish) from error


def _publish(publish: Publish, *, connect: bool, headers: Mapping[str, Any]) -> None:
    app = app_or_default()
    with line_of(app).taken() as line:
        publications = recorded(app, publish, connect=connect)
        for publication in publications:
            if publication.arguments.get("correlation_id"):  # an event of Celery's has none
                publication.arguments["headers"].update(headers)
        outcomes = line.publish(publications)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


def _is_final(error: Exception) -> bool:
    """Return whether an error would be the same the next time: a user of Redis is refused by NOPERM."""
    return (
        isinstance(error, _UNWRITABLE)
        or getattr(error, "code", None) == _ACCESS_REFUSED
        or type(error).__name__ == "NoPermissionError"
    )


def patiently(publish: Callable[[*Given], Result], *given: *Given) -> Result:
    """Call a function that posts; if need be wait for the broker, as what has run should not run again.

    Raises:
        Refused: there is nothing to wait for.
        CannotPublish: the broker is not back after `PATIENCE`.
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
