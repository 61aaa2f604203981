"""One message on a worker: admitted, run, its next attempt published, settled.

Waits and attempts are ours; Celery is told of them in its own words (``RETRY``, ``FAILURE``,
``IGNORED``), so that Flower and exporters show them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn

from billiard import current_process
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded

from deferred_signals import conf
from deferred_signals.errors import DecodeError, Discard, InvalidReceiver, RedeliveredTooOften
from deferred_signals.running import executor
from deferred_signals.running.delivery import Delivery
from deferred_signals.running.posting import PAUSE, CannotPublish, patiently
from deferred_signals.running.seals import break_seal, put_seal
from deferred_signals.serialization import fetch
from deferred_signals.wire import unpack

if TYPE_CHECKING:
    from celery import Task
    from celery.app.task import Context

    from deferred_signals.message import Message

__all__ = ["Elsewhere", "admit", "give_back", "run", "run_message", "translate"]


class Elsewhere:
    """No outcome yet: the message goes on as another one, parked or published anew."""


def run_message(task: Task[Any, Any], request: Context, payload: object) -> None:
    """The body of every task, for one message.

    Arguments:
        task: of the receiver.
        request: Celery's, of the message that brought the payload.
        payload: the message's text.

    Raises:
        celery.exceptions.TaskPredicate: how the attempt ended, told in Celery's words.
        Exception: the receiver's own, when the message is given up.
    """
    try:
        message = unpack(payload)
    except DecodeError as error:
        executor.settle_malformed(task.name, error)
        raise
    delivery = Delivery(task.name, request)
    try:
        outcome = patiently(admit, delivery, message) or run(message)
        if isinstance(outcome, executor.Retrying):
            patiently(delivery.publish, message.next_attempt(), outcome.wait)
    except (CannotPublish, SoftTimeLimitExceeded) as error:  # the limit, in the wait for the broker
        give_back(error)
    if isinstance(outcome, Elsewhere):
        raise Ignore
    executor.settle(message, outcome)
    match outcome:
        case executor.Retrying(exception, wait):
            when: Any = wait  # its stubs want numbers.Real, which float is not to a type checker
            raise Retry(exc=_as_exception(exception), when=when)
        case executor.Discarded():
            raise Ignore
        case executor.Failed(exception):
            raise _as_exception(exception)


def admit(delivery: Delivery, message: Message) -> executor.Outcome | Elsewhere | None:
    """None where the message may run now; else what became of it.

    Raises:
        CannotPublish: it should go on elsewhere, and is not known to.
    """
    if executor.unknown(message):
        delivery.park(message)
        return Elsewhere()
    if not delivery.redelivered and not message.redeliveries:
        return None
    limit = conf.current().MAX_REDELIVERIES
    again = message.redelivered()
    try:
        unbroken = bool(message.redeliveries) and break_seal(message)
        if unbroken or not delivery.redelivered:
            return None
    except Exception as error:
        raise CannotPublish from error
    if again.redeliveries > limit:
        poisonous = RedeliveredTooOften(f"{message.receiver!r} was redelivered {limit + 1} times.")
        return executor.Failed(poisonous, "it takes whole workers down, it seems")
    put_seal(again)
    delivery.publish(again, None)
    return Elsewhere()


def run(message: Message, fetch: executor.Fetch = fetch) -> executor.Outcome:
    """Run an attempt; where no parent would see this process end, ``sys.exit()`` is a failure."""
    try:
        return executor.execute(message, translate, fetch)
    except SystemExit as error:
        # In a child it may be Celery's own, by SIGTERM, and the parent charges what it ends; the
        # exceptions that shut a worker down are derived from SystemExit.
        if type(error) is not SystemExit or current_process().name != "MainProcess":
            raise
        return executor.charge(message, error)


def translate(error: Exception) -> Exception:
    """Celery's control flow, raised by a receiver, in our terms."""
    if isinstance(error, Ignore):
        return Discard("Celery's Ignore was raised")
    if isinstance(error, (Retry, Reject)):
        name = type(error).__name__
        return InvalidReceiver(
            f"The receiver raised Celery's {name}, which would count attempts beside ours: "
            f"raise deferred_signals.{'RetryLater' if name == 'Retry' else 'Discard'} instead."
        )
    return error


def give_back(error: Exception) -> NoReturn:
    """Let the broker have a message again that could not be published anew."""
    time.sleep(PAUSE)
    raise Reject(str(error.__cause__ or error), requeue=True) from error


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
