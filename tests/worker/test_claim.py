"""A claim has one of four answers: an attempt, elsewhere, failed, or given back."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from celery.app.task import Context
from django.dispatch import Signal

from deferred_signals import Retry
from deferred_signals.errors import ConfigurationError, RedeliveredTooOften, UnknownReceiver
from deferred_signals.message import Message
from deferred_signals.message.wire import unpack
from deferred_signals.publishing import posting
from deferred_signals.receivers import registry
from deferred_signals.running.attempt import Attempt
from deferred_signals.running.outcomes import Failed
from deferred_signals.worker import entry as _worker  # noqa: F401 - as a worker does when it starts
from deferred_signals.worker.claim import claim
from deferred_signals.worker.delivery import Delivery, Elsewhere, GivenBack
from deferred_signals.worker.parking import PARKED
from tests.support.acting import Acting
from tests.support.celery_apps import MakeCurrent
from tests.support.celery_messages import SendTogether, take_celery_messages
from tests.support.connected import Connected

pytestmark = pytest.mark.django_db(transaction=True)

POLICY = Retry(max_attempts=7)


@pytest.fixture
def message(signal: Signal, defer: Connected, send_together: SendTogether) -> Message:
    """Send a message for a receiver that this process knows."""
    defer(signal, name="tests.claimed", retry=POLICY)(Acting())
    (celery_message,) = send_together(1)
    return unpack(celery_message.wires[0])


def delivered(message: Message, *, redelivered: bool = False) -> Delivery:
    info = {"exchange": "", "routing_key": "celery", "redelivered": redelivered}
    return Delivery(
        message.receiver, Context({"id": message.id, "lang": "py", "delivery_info": info})
    )


def test_message_that_may_run_here_is_an_attempt(message: Message) -> None:
    answer = claim(delivered(message), message)
    assert answer == Attempt(message, registry.get("tests.claimed"), POLICY)


def test_message_that_another_worker_may_know_goes_on_elsewhere(message: Message) -> None:
    registry.discard(registry.get("tests.claimed"))
    answer = claim(delivered(message), message)
    assert isinstance(answer, Elsewhere)
    assert isinstance(answer.reason, UnknownReceiver)
    assert answer.due is not None
    assert [celery_message.task for celery_message in take_celery_messages()] == [PARKED]


def test_redelivered_message_goes_on_elsewhere(message: Message) -> None:
    answer = claim(delivered(message, redelivered=True), message)
    assert isinstance(answer, Elsewhere)
    assert (answer.reason, answer.due) == (None, None)
    (celery_message,) = take_celery_messages()
    assert unpack(celery_message.wires[0]).redeliveries == 1


def test_message_whose_policy_is_not_in_the_settings_has_failed(
    signal: Signal, defer: Connected, message: Message, configure: Callable[..., None]
) -> None:
    configure(RETRY_POLICIES={"patient": {"max_attempts": 9}})
    defer(signal, name="tests.claimed.named", retry="patient")(Acting())
    configure(RETRY_POLICIES={})
    named = replace(message, receiver="tests.claimed.named")
    answer = claim(delivered(named), named)
    assert isinstance(answer, Failed)
    assert isinstance(answer.exception, ConfigurationError)


def test_message_that_was_redelivered_too_often_has_failed(message: Message) -> None:
    often = replace(message, redeliveries=99)
    answer = claim(delivered(often), often)
    assert isinstance(answer, Failed)
    assert isinstance(answer.exception, RedeliveredTooOften)


def test_message_is_given_back_where_the_broker_is_away(
    message: Message, make_current: MakeCurrent, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError("the broker is away")

    def away(name: str, *args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(posting, "PATIENCE", 0)
    make_current(broker_url="memory://", task_routes=[away])
    answer = claim(delivered(message, redelivered=True), message)
    assert isinstance(answer, GivenBack)
    assert answer.error.__cause__ is error
