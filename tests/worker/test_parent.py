"""What a worker's parent does when a child ends that had nothing to do but to let a message wait on."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.dispatch import Signal

from deferred_signals.message.wire import unpack
from deferred_signals.publishing.waits import HEADER
from deferred_signals.receivers import registry
from deferred_signals.worker import entry as worker  # noqa: F401 - as a worker does when it starts
from deferred_signals.worker.parent import ReceiverRequest
from deferred_signals.worker.parking import PARKED
from tests.project.celery import app
from tests.support.acting import Acting
from tests.support.celery_messages import CeleryMessage, take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

Configure = Callable[..., None]


class Delivered:
    """The next message on the broker, as a worker's parent has it."""

    def __init__(self) -> None:
        with app.connection_for_read() as opened:
            channel: Any = opened.default_channel
            message = channel.basic_get("celery", no_ack=True)
        self.answers: list[str] = []
        self.request = ReceiverRequest(
            message,
            app=app,
            on_ack=lambda *args: self.answers.append("acknowledged"),
            on_reject=lambda *args: self.answers.append("rejected"),
        )

    def lose_its_child(self) -> CeleryMessage:
        """Let the child overrun its hard time limit. Return what that published."""
        self.request.on_timeout(soft=False, timeout=1)
        (celery_message,) = take_celery_messages()
        assert self.answers == ["acknowledged"]
        return celery_message


@pytest.fixture
def receiver(signal: Signal, defer: Connected) -> str:
    defer(signal, name="tests.lost", countdown=40, headers={"tenant": "blue"})(Acting())
    return "tests.lost"


@pytest.mark.usefixtures("receiver")
def test_piece_whose_child_ended_goes_on_and_is_charged_nothing(
    signal: Signal, configure: Configure, lifecycle: Lifecycle
) -> None:
    configure(LONGEST_WAIT=5)
    signal.send(None, number=1)
    celery_message = Delivered().lose_its_child()
    assert celery_message.task == "tests.lost"
    assert unpack(celery_message.wires[0]).attempt == 1
    assert 38 < celery_message.headers[HEADER]["due"] - time.time() < 40.1
    assert celery_message.headers["tenant"] == "blue"
    assert lifecycle.names == ["message_published"]


def test_parked_message_whose_child_ended_stays_parked_and_is_charged_nothing(
    signal: Signal, receiver: str, lifecycle: Lifecycle
) -> None:
    signal.send(None, number=1)
    (celery_message,) = take_celery_messages()
    since = time.time() - 100
    app.tasks[PARKED].apply_async((*celery_message.wires, since, 3), headers={"tenant": "blue"})
    registry.discard(registry.get(receiver))
    again = Delivered().lose_its_child()
    assert again.task == PARKED
    assert again.wires == (*celery_message.wires, since, 4)
    assert again.headers["tenant"] == "blue"
    assert lifecycle.names == ["message_published"]


def test_parked_message_whose_child_ended_in_its_run_is_charged(
    signal: Signal, receiver: str, lifecycle: Lifecycle
) -> None:
    signal.send(None, number=1)
    (celery_message,) = take_celery_messages()
    app.tasks[PARKED].apply_async(
        (*celery_message.wires, time.time(), 1), headers={"tenant": "blue"}
    )
    again = Delivered().lose_its_child()
    assert again.task == receiver
    assert unpack(again.wires[0]) == replace(unpack(celery_message.wires[0]), attempt=2)
    assert again.headers["tenant"] == "blue"
    assert lifecycle.names == ["message_published", "receiver_retrying"]


def test_request_of_a_parked_message_tells_its_child_how_it_was_written(
    signal: Signal, receiver: str
) -> None:
    signal.send(None, number=1)
    (celery_message,) = take_celery_messages()
    app.tasks[PARKED].apply_async((*celery_message.wires, time.time(), 1))
    properties = Delivered().request.request_dict["properties"]
    assert properties["content_type"] == "application/json"
