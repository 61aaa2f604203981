"""One message in named steps: what an attempt becomes, and who is told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import Ignore, Reject
from celery.exceptions import Retry as CelerysRetry
from django.dispatch import Signal

from deferred_signals import (
    DecodeError,
    Discard,
    InvalidReceiver,
    Retry,
    RetryLater,
    UnknownReceiver,
    current_message,
)
from deferred_signals.receivers import registry
from deferred_signals.running.attempt import prepare
from deferred_signals.running.deciding import charge
from deferred_signals.running.outcomes import Discarded, Failed, Retrying, Succeeded
from tests.support.acting import raising
from tests.support.connected import running
from tests.support.messages import MakeMessage, execute


def test_receiver_is_called_by_keyword_as_django_does(
    signal: Signal, make_message: MakeMessage
) -> None:
    calls = []

    def receive(*args: object, **kwargs: object) -> None:
        calls.append((args, kwargs))

    message = make_message(receive, kwargs={"number": 1, "pair": {"$tuple": [1, 2]}})
    assert execute(message) == Succeeded()
    assert calls == [((), {"signal": signal, "sender": None, "number": 1, "pair": (1, 2)})]


def test_async_receiver_is_awaited(make_message: MakeMessage) -> None:
    ran = []

    async def receive(sender: object, **kwargs: object) -> None:
        ran.append(running().attempt)

    assert execute(make_message(receive)) == Succeeded()
    assert ran == [1]


def test_object_whose_call_is_async_is_awaited(make_message: MakeMessage) -> None:
    ran = []

    class Receive:
        async def __call__(self, sender: object, **kwargs: object) -> None:
            ran.append(1)

    assert execute(make_message(Receive())) == Succeeded()
    assert ran == [1]


def test_receiver_can_ask_for_its_message(make_message: MakeMessage) -> None:
    seen = []

    def receive(sender: object, **kwargs: object) -> None:
        seen.append(running())

    message = make_message(receive, attempt=2, retry=Retry(max_attempts=7))
    execute(message)
    (current,) = seen
    assert (current.id, current.receiver) == ("the-id", "tests.executed")
    assert (current.attempt, current.max_attempts, current.depth) == (2, 7, 2)
    assert current.sent_at == message.sent_at
    assert current_message() is None


def test_message_under_an_alias_finds_the_receiver(make_message: MakeMessage) -> None:
    ran = []

    def receive(sender: object, **kwargs: object) -> None:
        ran.append(running().receiver)

    message = make_message(receive, aliases=["tests.earlier"])
    assert execute(replace(message, receiver="tests.earlier")) == Succeeded()
    assert ran == ["tests.executed"]


def test_failure_is_retried_as_the_policy_says(make_message: MakeMessage) -> None:
    error = LookupError()
    message = make_message(raising(error), retry=Retry(wait_initial=7, wait_jitter=0))
    assert execute(message) == Retrying(error, 7.0)


def test_last_failure_is_final(make_message: MakeMessage) -> None:
    error = LookupError()
    message = make_message(raising(error), attempt=3, retry=Retry(max_attempts=3))
    assert execute(message) == Failed(error, "attempt 3 of 3 failed")


def test_receiver_may_name_its_wait(make_message: MakeMessage) -> None:
    outcome = execute(make_message(raising(RetryLater(after=90))))
    assert isinstance(outcome, Retrying)
    assert outcome.wait == 90.0


def test_budget_counts_from_the_send(make_message: MakeMessage) -> None:
    message = make_message(raising(LookupError()), retry=Retry(max_attempts=None, timeout=60))
    late = replace(message, sent_at=message.sent_at - timedelta(seconds=60))
    assert isinstance(execute(message), Retrying)
    assert isinstance(execute(late), Failed)


@pytest.mark.parametrize("retry", [None, Retry(on=()), Retry(max_attempts=9)])
def test_discard_is_no_failure(make_message: MakeMessage, retry: Retry | None) -> None:
    message = make_message(raising(Discard("cancelled")), retry=retry)
    assert execute(message) == Discarded("cancelled")


def test_celerys_ignore_is_a_discard(make_message: MakeMessage) -> None:
    assert isinstance(execute(make_message(raising(Ignore()))), Discarded)


@pytest.mark.parametrize(
    ("error", "hint"), [(CelerysRetry(), "RetryLater"), (Reject("x"), "Discard")]
)
def test_celerys_other_control_flow_fails_with_a_hint(
    make_message: MakeMessage, error: Exception, hint: str
) -> None:
    outcome = execute(make_message(raising(error)))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.exception, InvalidReceiver)
    assert hint in str(outcome.exception)


def test_unknown_receiver_fails(make_message: MakeMessage) -> None:
    message = make_message(raising(LookupError()))
    registry.discard(registry.get("tests.executed"))
    outcome = execute(message)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.exception, UnknownReceiver)


@pytest.mark.parametrize("kwargs", [{"a": {"$nothing": 1}}, {"a": {"$set": [[]]}}])
def test_malformed_kwarg_fails_without_a_retry(
    make_message: MakeMessage, kwargs: dict[str, Any]
) -> None:
    ran = []

    def receive(sender: object, **kwargs: object) -> None:
        ran.append(kwargs)

    outcome = execute(make_message(receive, kwargs=kwargs))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.exception, DecodeError)
    assert ran == []


def test_death_of_the_process_costs_an_attempt(make_message: MakeMessage) -> None:
    error = RuntimeError("killed")
    message = make_message(raising(LookupError()), retry=Retry(on=(), max_attempts=2))
    assert isinstance(charge(prepare(message), error), Retrying)
    assert isinstance(charge(prepare(message.next_attempt()), error), Failed)
