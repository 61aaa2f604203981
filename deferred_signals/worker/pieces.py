"""Pieces of a wait: a message that arrives before it is due goes back to wait for the next piece.

Where there is an outbox, and much of the wait is left, the message waits there instead.

A piece is no attempt, and no log or signal of ours tells of it: the receivers, and the calls of a
chunk, are not even looked at. Celery has checked ``expires``, which stays its own, before the task
begins. To Celery a piece ends as a retry, with the time at which the message is due.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from celery.exceptions import Retry, SoftTimeLimitExceeded

from deferred_signals.errors import DecodeError
from deferred_signals.message.wire import unpack
from deferred_signals.publishing.posting import CannotPublish, Refused, patiently
from deferred_signals.publishing.waits import due_of, seconds_left
from deferred_signals.running.settling import settle
from deferred_signals.worker.afterwards import afterwards
from deferred_signals.worker.anew import publish_anew
from deferred_signals.worker.calls import give_back
from deferred_signals.worker.carried import shown_of
from deferred_signals.worker.delivery import Delivery
from deferred_signals.worker.following import refused
from deferred_signals.worker.keeping import bury, kept
from deferred_signals.worker.parking import PARKED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery.app.task import Context

__all__ = ["go_on_waiting", "wait_until_due"]


def wait_until_due(name: str, request: Context, args: Sequence[object]) -> None:
    """Return if a message is due; else let it wait in the outbox, or publish its next piece.

    Arguments:
        name: the name of the task that the message is for.
        request: what Celery tells that task.
        args: the task's arguments.

    Raises:
        celery.exceptions.Retry: the message waits on.
        celery.exceptions.Reject: the broker takes no message.
        Refused: the broker never will, and the message that waited has failed.
    """
    if not seconds_left(request):
        return
    delivery, payloads = _opened(name, request, args)
    when: Any = datetime.fromtimestamp(due_of(request) or 0.0, UTC)
    try:
        if _is_kept(delivery, payloads):
            raise Retry("It is not due yet, and waits in the outbox.", when=when)
        patiently(go_on_waiting, name, request, args)
    except Refused as error:
        _give_up(delivery, payloads, error)
        raise
    except (CannotPublish, SoftTimeLimitExceeded) as error:
        give_back(error)
    raise Retry("It is not due yet, and waits on.", when=when)


def _opened(
    name: str, request: Context, args: Sequence[object]
) -> tuple[Delivery, Sequence[object]]:
    payloads = args[:1] if name == PARKED else args  # a parked message has further arguments
    return Delivery(name, request, len(payloads)), payloads


def _is_kept(delivery: Delivery, payloads: Sequence[object]) -> bool:
    try:
        messages = [unpack(payload) for payload in payloads]
    except DecodeError:
        return False
    return bool(messages) and kept(delivery, messages, seconds_left(delivery.request))


def go_on_waiting(name: str, request: Context, args: Sequence[object]) -> None:
    """Publish the next piece of a wait: the same message, with the countdown of the next piece.

    Raises:
        CannotPublish: the broker is not known to have it.
    """
    publish_anew(
        name,
        request,
        args,
        wait=seconds_left(request),
        in_broker=True,
        argsrepr=shown_of(request),
    )


def _give_up(delivery: Delivery, payloads: Sequence[object], error: Refused) -> None:
    """Fail each message that waited."""
    for payload in payloads:
        with suppress(DecodeError):
            message, outcome = unpack(payload), refused(error)
            bury(delivery, message, outcome)
            afterwards(delivery.request, partial(settle, message, outcome))
