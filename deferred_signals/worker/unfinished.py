"""What a run that ended early left: its unfinished calls go on as messages of their own.

The calls that had not begun go on as they are. The one that had begun is charged an attempt. The
worker's parent does this when a child dies, and the child itself when something ends a chunk
between two calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.errors import DecodeError
from deferred_signals.message.wire import unpack
from deferred_signals.publishing.posting import Refused
from deferred_signals.running.attempt import prepare
from deferred_signals.running.deciding import charge
from deferred_signals.running.outcomes import Unknown
from deferred_signals.running.settling import settle_malformed
from deferred_signals.worker.delivery import Delivery, Elsewhere
from deferred_signals.worker.following import follow, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message import Message
    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.worker.progress import Progress

__all__ = ["republish_unfinished"]


def republish_unfinished(
    delivery: Delivery, payloads: Sequence[object], progress: Progress, error: BaseException
) -> list[tuple[Message, Outcome]]:
    """Republish each unfinished call as its own message. Return the pairs to settle.

    Arguments:
        delivery: what brought the calls.
        payloads: the texts of all of them.
        progress: how many calls have begun, and are charged an attempt, and how many are through.
        error: what ended the run.

    Raises:
        CannotPublish: the broker did not take one of them.
    """
    begun = progress.begun
    pairs: list[tuple[Message, Outcome]] = []
    for place, payload in enumerate(payloads[progress.through :], progress.through):
        try:
            message = unpack(payload)
        except DecodeError as malformed:
            if place >= begun:
                settle_malformed(delivery.name, malformed)
            continue
        try:
            outcome = _republish(delivery, message, error if place < begun else None)
        except Refused as refusal:
            outcome = refused(refusal)
        if outcome is not None and not isinstance(outcome, Elsewhere):
            pairs.append((message, outcome))
    return pairs


def _republish(
    delivery: Delivery, message: Message, error: BaseException | None
) -> Outcome | Elsewhere | None:
    """Publish what follows for one call. Return what there is to settle; None if it had not begun.

    Arguments:
        delivery: what brought the call's message.
        message: the message.
        error: what ended the call's run; None if it had not begun.
    """
    prepared = prepare(message)
    if isinstance(prepared, Unknown):
        return follow(delivery, message, prepared)
    if error is None:
        delivery.publish(message, None)
        return None
    return follow(delivery, message, charge(prepared, error))
