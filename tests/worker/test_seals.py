"""Seals tell a redelivered message that ran from one that was only prefetched."""

from collections.abc import Callable

import pytest
from django.dispatch import Signal

from deferred_signals.errors import RedeliveredTooOften
from deferred_signals.message.wire import unpack
from deferred_signals.worker.seals import break_seal
from tests.support.acting import QUICK, Acting
from tests.support.celery_messages import CeleryMessage, SendTogether, take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acting(signal: Signal, defer: Connected) -> Acting:
    acting = Acting()
    defer(signal, name="tests.sealed", retry=QUICK)(acting)
    return acting


def redeliver(celery_message: CeleryMessage) -> CeleryMessage:
    """Deliver a message whose worker was gone. Return the one that is published for it."""
    assert celery_message.deliver(redelivered=True) == "RETRY"
    (again,) = take_celery_messages()
    return again


def test_redelivered_message_is_republished_with_the_count_and_under_a_seal(
    acting: Acting, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    (celery_message,) = send_together(1)
    message = unpack(redeliver(celery_message).wires[0])
    assert acting.ran == []
    assert (message.attempt, message.redeliveries) == (1, 1)
    assert break_seal(message)
    assert not break_seal(message)
    assert lifecycle.names == ["message_published"]


def test_run_breaks_the_seal(acting: Acting, send_together: SendTogether) -> None:
    (celery_message,) = send_together(1)
    again = redeliver(celery_message)
    assert again.deliver() == "SUCCESS"
    assert acting.ran == [0]
    assert not break_seal(unpack(again.wires[0]))


def test_message_that_was_only_prefetched_runs_and_is_not_counted(
    acting: Acting, send_together: SendTogether
) -> None:
    (celery_message,) = send_together(1)
    again = redeliver(celery_message)
    assert again.deliver(redelivered=True) == "SUCCESS"
    assert acting.ran == [0]
    assert take_celery_messages() == []


def test_message_whose_run_took_its_worker_down_is_counted_again(
    acting: Acting, send_together: SendTogether
) -> None:
    (celery_message,) = send_together(1)
    again = redeliver(celery_message)
    break_seal(unpack(again.wires[0]))  # as its run does when it begins
    assert unpack(redeliver(again).wires[0]).redeliveries == 2
    assert acting.ran == []


def test_message_that_takes_one_worker_down_after_another_fails(
    acting: Acting,
    send_together: SendTogether,
    lifecycle: Lifecycle,
    configure: Callable[..., None],
) -> None:
    configure(MAX_REDELIVERIES=2)
    (celery_message,) = send_together(1)
    for _ in range(2):
        celery_message = redeliver(celery_message)
        break_seal(unpack(celery_message.wires[0]))
    assert celery_message.deliver(redelivered=True) == "FAILURE"
    (told,) = lifecycle.of("receiver_failed")
    assert isinstance(told["exception"], RedeliveredTooOften)
    assert told["reason"] == "redelivered too often: it probably crashes its worker"
    assert acting.ran == []
