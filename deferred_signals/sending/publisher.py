"""Publishing a batch: every message handed to the broker, or reported; never an error for the caller."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kombu.exceptions import OperationalError

from deferred_signals import events
from deferred_signals.errors import PublishError
from deferred_signals.running.tasks import argsrepr, task_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.sending.outgoing import Outgoing

__all__ = ["publish"]

logger = logging.getLogger("deferred_signals")


def publish(batch: Sequence[Outgoing]) -> None:
    """Hand messages to the broker, in order.

    Never raises: the transaction is committed, and the caller's request must not fail by it.
    What was not published is logged and told to `deferred_signals.events.publish_failed`.
    """
    for place, outgoing in enumerate(batch):
        try:
            _publish_one(outgoing)
        except OperationalError as error:  # the broker is away: the others would fare the same
            _report(batch[place:], error)
            return
        except Exception as error:  # noqa: BLE001 - a route or an encoder of the project's
            _report([outgoing], error)
        else:
            message = outgoing.message
            events.message_published.send_robust(sender=message.receiver, message=message)


def _publish_one(outgoing: Outgoing) -> None:
    message = outgoing.message
    task: Any = task_of(message.receiver)  # its stubs do not know argsrepr
    task.apply_async(
        (outgoing.wire,),
        task_id=message.id,
        argsrepr=argsrepr(message),
        kwargsrepr="{}",
        retry=True,
        # One more try, for a pooled connection that went stale meanwhile.
        retry_policy={"max_retries": 1, "interval_start": 0},
        **outgoing.options,
    )


def _report(batch: Sequence[Outgoing], cause: Exception) -> None:
    error = PublishError(
        f"{len(batch)} messages were not published: {type(cause).__name__}: {cause}"
    )
    error.__cause__ = cause
    for outgoing in batch:
        message = outgoing.message
        logger.error(
            "Message %s for receiver %s was not published and is lost: %s: %s",
            message.id,
            message.receiver,
            type(cause).__name__,
            cause,
            extra={"receiver": message.receiver, "message_id": message.id},
        )
    messages = tuple(outgoing.message for outgoing in batch)
    events.publish_failed.send_robust(sender=None, messages=messages, exception=error)
