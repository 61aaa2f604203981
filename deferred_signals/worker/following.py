"""What follows from an outcome: the next message, or the end where the broker takes none."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from deferred_signals.publishing.posting import CannotPublish, Refused, patiently
from deferred_signals.running.outcomes import Failed, Retrying, Unknown
from deferred_signals.worker.delivery import GivenBack
from deferred_signals.worker.keeping import kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from deferred_signals.message import Message
    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.worker.delivery import Delivery, Elsewhere

__all__ = ["answered", "follow", "refused"]

Given = TypeVarTuple("Given")
Answer = TypeVar("Answer")


def follow(delivery: Delivery, message: Message, outcome: Outcome) -> Outcome | Elsewhere:
    """Publish what follows from an outcome, if anything does. Return what there is to settle.

    The next attempt is published after a failure that is to be retried, and a message is parked
    that refers to something unknown. A long wait for the next attempt is the outbox's, if there is one.

    Arguments:
        delivery: what brought the message.
        message: the message.
        outcome: of the message's attempt.

    Raises:
        CannotPublish: the broker is not known to have what follows.
    """
    if isinstance(outcome, Unknown):
        return delivery.keep(message, outcome.exception)
    if isinstance(outcome, Retrying):
        again = message.next_attempt()
        if not kept(delivery, [again], outcome.wait, outcome.exception):
            delivery.publish(again, outcome.wait)
    return outcome


def answered(
    publish: Callable[[*Given], Answer], *given: *Given, outcome: Outcome | None = None
) -> Answer | Failed | GivenBack:
    """Call a function that publishes; answer for a broker that takes nothing.

    A broker that is away is waited for, since what has run should not run again.

    Arguments:
        publish: the function.
        given: its arguments.
        outcome: of the run that the function is called for, if there was one.
    """
    try:
        return patiently(publish, *given)
    except Refused as error:
        return refused(error, outcome)
    except CannotPublish as error:
        return GivenBack(error)


def refused(error: Refused, outcome: Outcome | None = None) -> Failed:
    """Fail a message whose next one can never be published.

    Arguments:
        error: says why.
        outcome: of the run that ended, if there was one: its failure is what is reported.
    """
    cause = error.__cause__ or error
    failure = getattr(outcome, "exception", cause)
    return Failed(failure, f"it cannot be published anew: {type(cause).__name__}: {cause}")
