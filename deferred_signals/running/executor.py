"""One attempt, in named steps: resolve, run, decide.

`execute` changes nothing outside the receiver. Its caller has claimed the message before, publishes
the next attempt where one is due, and settles the message.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist

from deferred_signals import events
from deferred_signals.errors import NotKnownHere
from deferred_signals.message.context import restored
from deferred_signals.running.async_receivers import await_here
from deferred_signals.running.control_flow import translated
from deferred_signals.running.current import CurrentMessage, entered
from deferred_signals.running.deciding import decide
from deferred_signals.running.outcomes import Failed, LeaseLost, Lost, Retrying, Succeeded, Unknown
from deferred_signals.running.relations import is_gone_relation
from deferred_signals.running.resolving import Gone, resolve
from deferred_signals.serialization import fetch
from deferred_signals.support.frames import forget_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.running.attempt import Attempt
    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.running.resolving import Fetch

__all__ = ["Call", "execute", "run"]


def run(receiver: Receiver, kwargs: Mapping[str, Any]) -> None:
    """Call the receiver, by keyword as Django does; await it where it is async."""
    result = receiver.function(**kwargs)
    if inspect.iscoroutine(result):
        await_here(receiver.name, result)


#: Calls a receiver, like `run`.
Call = Callable[["Receiver", "Mapping[str, Any]"], None]


def execute(attempt: Attempt, fetch: Fetch = fetch, call: Call = run) -> Outcome:
    """Run one attempt, and decide what follows.

    Arguments:
        attempt: the attempt.
        fetch: fetches the rows that the message refers to.
        call: calls the receiver, within the message's context.
    """
    waited = max(0.0, attempt.age())
    with entered(_current(attempt)), ExitStack() as surroundings:
        began = monotonic()
        resolved = _resolve(attempt, fetch, surroundings)
        if not isinstance(resolved, Unknown):
            _tell_start(attempt, waited)
        outcome = _run(attempt, resolved, call) if isinstance(resolved, dict) else resolved
        if not isinstance(resolved, Unknown):
            _tell_end(attempt, outcome, monotonic() - began)
    if isinstance(outcome, (Failed, Retrying)):
        forget_values(outcome.exception)
    return outcome


def _current(attempt: Attempt) -> CurrentMessage:
    message = attempt.message
    return CurrentMessage(
        message.id,
        attempt.receiver.name,
        message.attempt,
        attempt.policy.max_attempts,
        message.sent_at,
        message.depth,
    )


def _resolve(attempt: Attempt, fetch: Fetch, surroundings: ExitStack) -> dict[str, Any] | Outcome:
    """Restore the message's context and resolve the call's kwargs; or decide why there are none."""
    try:
        surroundings.enter_context(restored(attempt.message.context))
        return resolve(attempt.receiver, attempt.message, fetch)
    except NotKnownHere as error:
        return Unknown(error)
    except Exception as error:  # noqa: BLE001 - a database that is away, above all
        return decide(attempt, error, raised_by_receiver=False)


def _tell_start(attempt: Attempt, waited: float) -> None:
    events.receiver_started.send_robust(
        sender=attempt.receiver.name, message=attempt.message, waited=waited
    )


def _tell_end(attempt: Attempt, outcome: Outcome, duration: float) -> None:
    if events.receiver_ran.receivers:
        events.receiver_ran.send_robust(
            sender=attempt.receiver.name,
            message=attempt.message,
            duration=duration,
            outcome=type(outcome).__name__.lower(),
            exception=getattr(outcome, "exception", None),
        )


def _run(attempt: Attempt, kwargs: dict[str, Any], call: Call) -> Outcome:
    """Call the receiver, and decide what follows from what it raises."""
    try:
        call(attempt.receiver, kwargs)
    except LeaseLost as lost:
        return Lost(str(lost))
    except Exception as error:  # noqa: BLE001 - whatever a receiver raises
        return decide(attempt, _judged(error), raised_by_receiver=True)
    return Succeeded()


def _judged(error: Exception) -> Exception:
    """Translate what a receiver raised: Celery's control flow, and relations of rows that are gone."""
    if isinstance(error, ObjectDoesNotExist) and is_gone_relation(error):
        return Gone(error, is_instance=True)
    return translated(error)
