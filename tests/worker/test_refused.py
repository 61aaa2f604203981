"""A refusal of the broker's ends a message: no message is tried for ever because of one."""

from dataclasses import dataclass, replace

import pytest
from amqp.exceptions import AccessRefused
from django.dispatch import Signal

from deferred_signals import RetryLater
from deferred_signals.errors import RedeliveredTooOften
from deferred_signals.message.wire import pack, unpack
from deferred_signals.publishing import posting
from deferred_signals.publishing.waits import HEADER
from tests.support.acting import QUICK, Acting, raising
from tests.support.celery_apps import MakeCurrent
from tests.support.celery_messages import CeleryMessage, SendTogether, take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Refusing:
    """A router, by which nothing can be published."""

    error: Exception

    def __call__(self, name: str, *args: object, **kwargs: object) -> None:
        raise self.error


DENIED = AccessRefused("access to exchange 'amq.default' refused for user 'reader'")
REFUSALS = pytest.mark.parametrize(
    "refusal", [DENIED, LookupError("no such queue")], ids=["denied", "not to be written"]
)


@pytest.fixture
def acting(signal: Signal, defer: Connected) -> Acting:
    acting = Acting()
    defer(signal, name="tests.refused", chunk_size=10, retry=QUICK)(acting)
    return acting


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail at once where the code waits for the broker, which would be a mistake."""
    monkeypatch.setattr(posting, "PATIENCE", 0)


@REFUSALS
def test_failure_whose_next_attempt_is_refused_is_final(
    acting: Acting,
    send_together: SendTogether,
    make_current: MakeCurrent,
    lifecycle: Lifecycle,
    refusal: Exception,
) -> None:
    error = ConnectionError("the service is busy")
    acting.does[0] = raising(error)
    (celery_message,) = send_together(1)
    make_current(broker_url="memory://", task_routes=[Refusing(refusal)])
    assert celery_message.deliver() == "FAILURE"
    (told,) = lifecycle.of("receiver_failed")
    assert told["exception"] is error
    assert "cannot be published anew" in told["reason"]
    assert type(refusal).__name__ in told["reason"]


@REFUSALS
def test_call_of_a_chunk_whose_next_attempt_is_refused_fails_alone(
    acting: Acting,
    send_together: SendTogether,
    make_current: MakeCurrent,
    lifecycle: Lifecycle,
    refusal: Exception,
) -> None:
    acting.does[1] = raising(RetryLater(after=7))
    (celery_message,) = send_together(3)
    make_current(broker_url="memory://", task_routes=[Refusing(refusal)])
    assert celery_message.deliver() == "SUCCESS"
    assert acting.ran == [0, 1, 2]
    assert [told["message"].id for told in lifecycle.of("receiver_failed")] == [
        celery_message.ids[1]
    ]
    assert len(lifecycle.of("receiver_succeeded")) == 2


def test_redelivered_message_whose_redelivery_cannot_be_counted_fails(
    acting: Acting, send_together: SendTogether, make_current: MakeCurrent, lifecycle: Lifecycle
) -> None:
    (celery_message,) = send_together(1)
    make_current(broker_url="memory://", task_routes=[Refusing(DENIED)])
    assert celery_message.deliver(redelivered=True) == "FAILURE"
    (told,) = lifecycle.of("receiver_failed")
    assert told["exception"] is DENIED
    assert acting.ran == []


def test_wait_that_cannot_go_on_fails(
    acting: Acting, send_together: SendTogether, make_current: MakeCurrent, lifecycle: Lifecycle
) -> None:
    (celery_message,) = send_together(2)
    make_current(broker_url="memory://", task_routes=[Refusing(DENIED)])
    waiting = replace(celery_message, headers={**celery_message.headers, HEADER: {"due": 2e10}})
    assert waiting.deliver() == "FAILURE"
    assert [told["message"].id for told in lifecycle.of("receiver_failed")] == celery_message.ids
    assert acting.ran == []


def redelivered(celery_message: CeleryMessage, redeliveries: int) -> CeleryMessage:
    message = replace(unpack(celery_message.wires[0]), redeliveries=redeliveries)
    return replace(celery_message, wires=(pack(message),))


@pytest.mark.parametrize("again", [True, False], ids=["redelivered", "published so"])
def test_message_with_more_redeliveries_than_there_can_be_fails_at_once(
    acting: Acting, send_together: SendTogether, lifecycle: Lifecycle, again: bool
) -> None:
    (celery_message,) = send_together(1)
    assert redelivered(celery_message, 10**6).deliver(redelivered=again) == "FAILURE"
    (told,) = lifecycle.of("receiver_failed")
    assert isinstance(told["exception"], RedeliveredTooOften)
    assert acting.ran == []
    assert take_celery_messages() == []
