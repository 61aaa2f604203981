"""One message on a worker, in named steps: claim, run, follow, settle.

Waits and attempts are ours. Celery is told of them in its own words (``RETRY``, ``FAILURE``,
``SUCCESS``), so that Flower and exporters show them.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from billiard import current_process
from celery.exceptions import Reject, Retry, SoftTimeLimitExceeded

from deferred_signals.errors import DecodeError
from deferred_signals.message.wire import unpack
from deferred_signals.publishing.posting import PAUSE
from deferred_signals.running.attempt import Attempt
from deferred_signals.running.deciding import charge
from deferred_signals.running.executor import execute
from deferred_signals.running.outcomes import Discarded, Failed, Retrying, Unknown
from deferred_signals.running.settling import settle, settle_malformed
from deferred_signals.serialization import fetch
from deferred_signals.worker.afterwards import afterwards
from deferred_signals.worker.claim import claim
from deferred_signals.worker.delivery import Delivery, Elsewhere, GivenBack
from deferred_signals.worker.following import answered, follow
from deferred_signals.worker.keeping import bury

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery.app.task import Context

    from deferred_signals.message import Message
    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.running.resolving import Fetch
    from deferred_signals.worker.parking import Stay

__all__ = ["carry_out", "charging_exits", "give_back", "run_message", "told_to_celery"]


def run_message(
    name: str, request: Context, payload: object, stay: Stay | None = None
) -> str | None:
    """Run one message, as the body of every task. Return what Celery is told as its result.

    Arguments:
        name: the task's name.
        request: Celery's, of the message that brought the payload.
        payload: the message's text.
        stay: how long it has been parked, if it was.

    Raises:
        celery.exceptions.TaskPredicate: how the attempt ended, told in Celery's words.
        Exception: the receiver's own, when the message is given up.
    """
    try:
        message = unpack(payload)
    except DecodeError as error:
        afterwards(request, partial(settle_malformed, name, error))
        raise
    delivery = Delivery(name, request, stay=stay)
    try:
        outcome = carry_out(delivery, message)
    except SoftTimeLimitExceeded as error:  # outside the receiver: in the wait for the broker
        outcome = GivenBack(error)
    if isinstance(outcome, Failed):
        bury(delivery, message, outcome)
        afterwards(request, partial(settle, message, outcome))
    elif not isinstance(outcome, (Elsewhere, GivenBack)):
        settle(message, outcome)
    return told_to_celery(outcome)


def carry_out(
    delivery: Delivery,
    message: Message,
    fetch: Fetch = fetch,
    begin: Callable[[], None] = lambda: None,
) -> Outcome | Elsewhere | GivenBack:
    """Claim a message, run it, and publish what follows. Return what there is to settle.

    Arguments:
        delivery: what brought the message.
        message: the message.
        fetch: fetches the rows that the message refers to.
        begin: is called when the message is about to run.
    """
    claimed = claim(delivery, message)
    if not isinstance(claimed, Attempt):
        return claimed
    begin()
    outcome = charging_exits(claimed, partial(execute, claimed, fetch))
    if isinstance(outcome, (Retrying, Unknown)):
        return answered(follow, delivery, message, outcome, outcome=outcome)
    return outcome


def give_back(error: Exception) -> NoReturn:
    """Let the broker have a message again, after a pause, that could not be published anew."""
    time.sleep(PAUSE)
    raise Reject(str(error.__cause__ or error), requeue=True) from error


def charging_exits(attempt: Attempt, run: Callable[[], Outcome]) -> Outcome:
    """Run an attempt; where no parent would see this process end, ``sys.exit()`` is a failure."""
    try:
        return run()
    except SystemExit as error:
        # The exceptions that shut a worker down are derived from SystemExit.
        if type(error) is not SystemExit or _has_parent():
            raise
        return charge(attempt, error)


def _has_parent() -> bool:
    """Return whether this process is a child of a worker's pool.

    There a SystemExit may be Celery's own, raised at SIGTERM, and the parent charges the run that
    it ends. Other pools run tasks in the process that billiard calls ``MainProcess``.
    """
    return bool(current_process().name != "MainProcess")


def told_to_celery(outcome: Outcome | Elsewhere | GivenBack) -> str | None:
    """Tell Celery of an outcome in its words: return the task's result, or raise what ends the task."""
    match outcome:
        case GivenBack(error):
            give_back(error)
        case Elsewhere():
            raise _as_retry(outcome)
        case Failed(exception):
            raise _as_exception(exception)
        case Retrying(exception, wait):
            when: Any = wait  # its stubs want numbers.Real, which float is not to a type checker
            raise Retry(exc=_as_exception(exception), when=when)
        case Discarded():
            return "discarded"
    return None


def _as_retry(elsewhere: Elsewhere) -> Retry:
    """Make what Celery, and so a monitor, is told of a message that goes on as another one."""
    due = time.time() if elsewhere.due is None else elsewhere.due
    when: Any = datetime.fromtimestamp(due, UTC)  # its stubs forget that it may be a moment
    return Retry(elsewhere.why, exc=elsewhere.reason, when=when)


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
