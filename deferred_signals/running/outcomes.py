"""How an attempt may end, and who is told of it: the log and the lifecycle signals."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deferred_signals import events
from deferred_signals.receivers import registry
from deferred_signals.support.escaping import shown

if TYPE_CHECKING:
    from deferred_signals.errors import DecodeError
    from deferred_signals.message import Message

__all__ = [
    "Discarded",
    "Failed",
    "Outcome",
    "Retrying",
    "Succeeded",
    "settle",
    "settle_malformed",
]

logger = logging.getLogger("deferred_signals")


@dataclass(frozen=True)
class Succeeded:
    """The receiver returned."""


@dataclass(frozen=True)
class Retrying:
    """The attempt failed; the next one is due in ``wait`` seconds."""

    exception: BaseException
    wait: float


@dataclass(frozen=True)
class Discarded:
    """The message is dropped on purpose."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """The message is given up."""

    exception: BaseException
    reason: str


Outcome = Succeeded | Retrying | Discarded | Failed


def settle(message: Message, outcome: Outcome) -> None:
    """Tell the log and the lifecycle signals what became of an attempt."""
    match outcome:
        case Succeeded():
            events.receiver_succeeded.send_robust(sender=message.receiver, message=message)
        case Retrying(exception, wait):
            _log(logging.WARNING, message, f"failed, next attempt in {wait:.1f} s", exception)
            events.receiver_retrying.send_robust(
                sender=message.receiver, message=message, exception=exception, wait=wait
            )
        case Discarded(reason):
            _log(logging.INFO, message, f"discarded its message: {shown(str(reason))}")
            events.receiver_discarded.send_robust(
                sender=message.receiver, message=message, reason=reason
            )
        case Failed(exception, reason):
            _log(logging.ERROR, message, f"failed for good: {shown(reason)}", exception)
            events.receiver_failed.send_robust(
                sender=message.receiver, message=message, exception=exception, reason=reason
            )


def settle_malformed(receiver: str, error: DecodeError) -> None:
    """As `settle`, for a payload that is no message."""
    logger.error(
        "Receiver %s was sent a payload that is no message: %s",
        shown(receiver),
        shown(str(error)),
        exc_info=error,
    )
    events.receiver_failed.send_robust(
        sender=receiver, message=None, exception=error, reason="the payload is malformed"
    )


def _log(level: int, message: Message, what: str, exception: BaseException | None = None) -> None:
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
        extra={
            "receiver": message.receiver,
            "message_id": message.id,
            "attempt": message.attempt,
        },
    )
