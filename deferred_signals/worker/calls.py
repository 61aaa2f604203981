"""One message on a worker: admitted, run, its next attempt published, settled.

Waits and attempts are ours; Celery is told of them in its own words (``RETRY``, ``FAILURE``,
``SUCCESS``), so that Flower and exporters show them.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from billiard import current_process
from celery.exceptions import Reject, Retry, SoftTimeLimitExceeded

from deferred_signals import conf
from deferred_signals.errors import DecodeError, RedeliveredTooOften
from deferred_signals.message.wire import unpack
from deferred_signals.publishing.posting import PAUSE, CannotPublish, Refused, patiently
from deferred_signals.running import executor
from deferred_signals.serialization import fetch
from deferred_signals.worker.afterwards import afterwards
from deferred_signals.worker.delivery import Delivery, Elsewhere
from deferred_signals.worker.seals import break_seal, put_seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery.app.task import Context

    from deferred_signals.message import Message
    from deferred_signals.worker.parking import Stay

__all__ = ["admit", "attempt", "give_back", "run", "run_message"]


def run_message(
    name: str, request: Context, payload: object, stay: Stay | None = None
) -> str | None:
    """The body of every task, for one message. Return what Celery is told as its result.

    Arguments:
        name: of the task.
        request: Celery's, of the message that brought the payload.
        payload: the message's text.
        stay: how long it has been parked, where it was.

    Raises:
        celery.exceptions.TaskPredicate: how the attempt ended, told in Celery's words.
        Exception: the receiver's own, when the message is given up.
    """
    try:
        message = unpack(payload)
    except DecodeError as error:
        afterwards(request, partial(executor.settle_malformed, name, error))
        raise
    try:
        outcome = attempt(Delivery(name, request, stay=stay), message)
    except (CannotPublish, SoftTimeLimitExceeded) as error:  # the limit, in the wait for the broker
        give_back(error)
    if isinstance(outcome, Elsewhere):
        raise _as_retry(outcome)
    if isinstance(outcome, executor.Failed):
        afterwards(request, partial(executor.settle, message, outcome))
        raise _as_exception(outcome.exception)
    executor.settle(message, outcome)
    match outcome:
        case executor.Retrying(exception, wait):
            when: Any = wait  # its stubs want numbers.Real, which float is not to a type checker
            raise Retry(exc=_as_exception(exception), when=when)
        case executor.Discarded():
            return "discarded"
    return None


def attempt(
    delivery: Delivery,
    message: Message,
    fetch: executor.Fetch = fetch,
    begin: Callable[[], None] = lambda: None,
) -> executor.Outcome | Elsewhere:
    """Admit a message and run it, and publish what follows. Return what is still to be settled.

    Arguments:
        delivery: what brought it.
        message: the message.
        fetch: gives the rows that it refers to.
        begin: is called when it is about to run.

    Raises:
        CannotPublish: the broker is not known to have what follows.
    """
    outcome: executor.Outcome | Elsewhere | None = None
    try:
        outcome = patiently(admit, delivery, message)
        if outcome is None:
            begin()
            outcome = run(message, fetch)
        if isinstance(outcome, executor.Unknown):
            return patiently(delivery.keep, message, _as_exception(outcome.exception))
        if isinstance(outcome, executor.Retrying):
            patiently(delivery.publish, message.next_attempt(), outcome.wait)
    except Refused as error:
        return refused(error, outcome)
    return outcome


def refused(error: Refused, outcome: executor.Outcome | Elsewhere | None = None) -> executor.Failed:
    """What becomes of a message whose next one cannot be published, ever."""
    cause = error.__cause__ or error
    failure = getattr(outcome, "exception", cause)
    return executor.Failed(failure, f"it cannot be published anew: {type(cause).__name__}: {cause}")


def admit(delivery: Delivery, message: Message) -> executor.Outcome | Elsewhere | None:
    """None where the message may run now; else what became of it.

    Raises:
        CannotPublish: it should go on elsewhere, and is not known to.
    """
    reason = executor.unknown(message)
    if reason is not None:
        return delivery.keep(message, reason)
    if not delivery.redelivered and not message.redeliveries:
        return None
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
    return Elsewhere("Its worker was gone, and it is published anew.")


def _poisonous(message: Message, limit: int) -> executor.Failed:
    error = RedeliveredTooOften(f"{message.receiver!r} was redelivered {limit + 1} times.")
    return executor.Failed(error, "it takes whole workers down, it seems")


def run(message: Message, fetch: executor.Fetch = fetch) -> executor.Outcome:
    """Run an attempt; where no parent would see this process end, ``sys.exit()`` is a failure."""
    try:
        return executor.execute(message, fetch)
    except SystemExit as error:
        # In a child it may be Celery's own, by SIGTERM, and the parent charges what it ends; the
        # exceptions that shut a worker down are derived from SystemExit.
        if type(error) is not SystemExit or current_process().name != "MainProcess":
            raise
        return executor.charge(message, error)


def give_back(error: Exception) -> NoReturn:
    """Let the broker have a message again that could not be published anew."""
    time.sleep(PAUSE)
    raise Reject(str(error.__cause__ or error), requeue=True) from error


def _as_retry(elsewhere: Elsewhere) -> Retry:
    """What Celery, and so a monitor, is told of a message that goes on as another one."""
    due = time.time() if elsewhere.due is None else elsewhere.due
    when: Any = datetime.fromtimestamp(due, UTC)  # its stubs forget that it may be a moment
    return Retry(elsewhere.why, exc=elsewhere.reason, when=when)


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
