"""Claim: decide whether a delivered message is run here and now.

A claim has one of four answers:

* `Attempt`: the message is this worker's to run, by this attempt.
* `Elsewhere`: the message goes on as another one, parked or republished.
* `Failed`: the message is given up without a run.
* `GivenBack`: the message goes back to the broker, which did not take the other one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from deferred_signals import conf
from deferred_signals.errors import RedeliveredTooOften
from deferred_signals.running.attempt import Attempt, prepare
from deferred_signals.running.outcomes import Failed, Unknown
from deferred_signals.worker.delivery import Delivery, Elsewhere, GivenBack
from deferred_signals.worker.following import answered
from deferred_signals.worker.seals import break_seal, put_seal

if TYPE_CHECKING:
    from deferred_signals.message import Message

__all__ = ["Claim", "claim"]

Claim: TypeAlias = Attempt | Elsewhere | Failed | GivenBack


def claim(delivery: Delivery, message: Message) -> Claim:
    """Claim a message for this worker, or say what became of the message.

    Arguments:
        delivery: what brought the message.
        message: the message.
    """
    attempt = prepare(message)
    if isinstance(attempt, Unknown):
        return answered(delivery.keep, message, attempt.exception)
    if isinstance(attempt, Attempt) and (delivery.redelivered or message.redeliveries):
        return answered(_count, delivery, message) or attempt
    return attempt


def _count(delivery: Delivery, message: Message) -> Elsewhere | Failed | None:
    """Count a redelivery, unless the message did not run before. Return None where it may run now.

    A redelivered message may have taken its worker down. It is republished with the count in it,
    and under a seal that tells the next redelivery whether it ran (see
    `deferred_signals.worker.seals`).

    Raises:
        CannotPublish: the broker is not known to have the message that counts.
    """
    limit = conf.current().MAX_REDELIVERIES
    if message.redeliveries > limit:  # nobody here published it so
        return _poisonous(message, limit)
    unbroken = bool(message.redeliveries) and break_seal(message)
    if unbroken or not delivery.redelivered:
        return None
    again = message.redelivered()
    if again.redeliveries > limit:
        return _poisonous(message, limit)
    put_seal(again)
    delivery.publish(again, None)
    return Elsewhere("Republished: its worker was gone, and the redelivery is counted.")


def _poisonous(message: Message, limit: int) -> Failed:
    error = RedeliveredTooOften(f"{message.receiver!r} was redelivered {limit + 1} times.")
    return Failed(error, "redelivered too often: it probably crashes its worker")
