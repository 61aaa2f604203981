"""Settle: tell the log and the lifecycle signals what became of a message's attempt."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from deferred_signals import events
from deferred_signals.receivers import registry
from deferred_signals.running.outcomes import Discarded, Failed, Retrying, Succeeded
from deferred_signals.support.escaping import shown
from deferred_signals.support.records import about

if TYPE_CHECKING:
    from deferred_signals.errors import DecodeError
    from deferred_signals.message import Message
    from deferred_signals.running.outcomes import Outcome

__all__ = ["settle", "settle_malformed"]

logger = logging.getLogger("deferred_signals")


def settle(message: Message, outcome: Outcome) -> None:
    """Tell the log and the lifecycle signals the outcome of an attempt."""
    match outcome:
        case Succeeded():
            events.receiver_succeeded.send_robust(sender=message.receiver, message=message)
        case Retrying(exception, wait):
            _log(
                logging.WARNING,
                message,
                "retrying",
                f"failed, next attempt in {wait:.1f} s",
                exception,
            )
            events.receiver_retrying.send_robust(
                sender=message.receiver, message=message, exception=exception, wait=wait
            )
        case Discarded(reason):
            _log(logging.INFO, message, "discarded", f"discarded its message: {shown(str(reason))}")
            events.receiver_discarded.send_robust(
                sender=message.receiver, message=message, reason=reason
            )
        case Failed(exception, reason):
            _log(logging.ERROR, message, "failed", f"failed for good: {shown(reason)}", exception)
            events.receiver_failed.send_robust(
                sender=message.receiver, message=message, exception=exception, reason=reason
            )


def settle_malformed(receiver: str, error: DecodeError) -> None:
    """Tell the log and `receiver_failed` of a payload that is no message.

    Arguments:
        receiver: the name of the Celery task that the payload was sent to.
        error: says what is wrong with the payload.
    """
    logger.error(
        "Receiver %s was sent a payload that is no message: %s",
        shown(receiver),
        shown(str(error)),
        exc_info=error,
        extra=about("malformed", receiver=receiver),
    )
    events.receiver_failed.send_robust(
        sender=receiver, message=None, exception=error, reason="the payload is malformed"
    )


def _log(
    level: int, message: Message, event: str, what: str, exception: BaseException | None = None
) -> None:
    """Log what became of a message; expected exceptions (``throws``) are logged without an alarm."""
    receiver = registry.find(message.receiver)
    if exception is not None and receiver and isinstance(exception, receiver.options.throws):
        level, exception = logging.INFO, None
    logger.log(
        level,
        "Receiver %s %s (attempt %d, message %s: %s)",
        shown(message.receiver),
        what,
        message.attempt,
        shown(message.id),
        message.describe(),
        exc_info=exception,
        extra=about(
            event, receiver=message.receiver, message_id=message.id, attempt=message.attempt
        ),
    )
