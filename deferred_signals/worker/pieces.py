"""Pieces of a wait: a message that arrives before it is due goes back to wait for the next piece.

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
from deferred_signals.worker.following import refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery.app.task import Context

__all__ = ["go_on_waiting", "wait_until_due"]


def wait_until_due(name: str, request: Context, args: Sequence[object]) -> None:
    """Return if a message is due; else publish its next piece.

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
    try:
        patiently(go_on_waiting, name, request, args)
    except Refused as error:
        _give_up(request, args, error)
        raise
    except (CannotPublish, SoftTimeLimitExceeded) as error:
        give_back(error)
    when: Any = datetime.fromtimestamp(due_of(request) or 0.0, UTC)
    raise Retry("It is not due yet, and waits on.", when=when)


def go_on_waiting(name: str, request: Context, args: Sequence[object]) -> None:
    """Publish the next piece of a wait: the same message, with the countdown of the next piece.

    Raises:
        CannotPublish: the broker is not known to have it.
    """
    publish_anew(name, request, args, wait=seconds_left(request), argsrepr=shown_of(request))


def _give_up(request: Context, args: Sequence[object], error: Refused) -> None:
    """Fail each message that waited."""
    for payload in args:
        with suppress(DecodeError):  # a parked message has arguments beside its payload
            afterwards(request, partial(settle, unpack(payload), refused(error)))
