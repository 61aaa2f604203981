"""What a worker gives to the outbox, where there is one: messages that wait for long, and dead letters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from deferred_signals.publishing.waits import is_long
from deferred_signals.running.outcomes import Failed
from deferred_signals.support.records import about
from deferred_signals.support.telling import is_interruption, log
from deferred_signals.worker.carried import options_of
from deferred_signals.worker.delivery import GRACE_IS_OVER
from deferred_signals.worker.rows import Kept, has_rows, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message import Message
    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.worker.delivery import Delivery

__all__ = ["bury", "kept"]


def kept(
    delivery: Delivery,
    messages: Sequence[Message],
    wait: float,
    error: BaseException | None = None,
) -> bool:
    """Give messages that wait for long to the outbox. Return False if they are to wait in the broker.

    Arguments:
        delivery: what brought the messages.
        messages: the messages, each of which asks for its next run.
        wait: seconds until they are due.
        error: the failure that they wait for, if there was one.
    """
    if not _has_outbox(delivery) or delivery.in_parent or not is_long(wait):
        return False
    try:
        options = {**options_of(delivery.request, delivery.calls), "countdown": wait}
        rows().keep([Kept(message, options, message.attempt - 1, error) for message in messages])
    except Exception as failure:
        if is_interruption(failure):
            raise
        log(
            logging.WARNING,
            "Messages of receiver %s cannot wait in the outbox, and wait in the broker: %s (%s: %s)",
            messages[0].receiver,
            ", ".join(message.id for message in messages),
            type(failure).__name__,
            failure,
            extra=about("not_kept", receiver=messages[0].receiver),
        )
        return False
    return True


def bury(delivery: Delivery, message: Message, outcome: Outcome) -> None:
    """Leave the dead letter of a message that is given up, where there is an outbox.

    Never raises: where none can be written, the failure is told all the same.
    """
    if not isinstance(outcome, Failed) or not _has_outbox(delivery):
        return
    runs = message.attempt - (outcome.reason == GRACE_IS_OVER)
    try:
        options = options_of(delivery.request, delivery.calls)
    except Exception:  # noqa: BLE001 - what came beside the message is data from outside, too
        options = {}
    rows().bury([Kept(message, options, runs, outcome.exception)], soon=delivery.in_parent)


def _has_outbox(delivery: Delivery) -> bool:
    """Return whether a worker has the delivery, and an outbox: a task may be called like a function."""
    request = delivery.request
    is_delivered = delivery.in_parent or not (request.called_directly or request.is_eager)
    return is_delivered and has_rows()
