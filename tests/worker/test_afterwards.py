"""A failure is told when Celery has handled it, and told in any case."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Task
from celery.signals import task_failure
from django.dispatch import Signal

from deferred_signals import DecodeError
from deferred_signals.events import receiver_failed
from deferred_signals.message.wire import unpack
from deferred_signals.receivers import registry
from deferred_signals.worker.parking import PARKED
from tests.project.celery import app
from tests.support.acting import Acting, raising
from tests.support.broker import Broker
from tests.support.celery_messages import CeleryMessage, take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


class Told(Task):  # type: ignore[type-arg]  # no generic when it runs
    """A task class of the project's, that notes when Celery tells it of a failure."""

    abstract = True
    order: list[str]
    fails = False

    def on_failure(self, *args: Any, **kwargs: Any) -> None:
        self.order.append("Celery")
        if self.fails:
            raise LookupError("of the project's")


@pytest.fixture
def order(lifecycle: Lifecycle) -> Iterator[list[str]]:
    """Record who was told of a failure, in order."""
    order: list[str] = []
    Told.order, Told.fails = order, False

    def note(**kwargs: object) -> None:
        order.append("we")

    receiver_failed.connect(note)
    yield order
    receiver_failed.disconnect(note)


@pytest.fixture
def failing(signal: Signal, defer: Connected, broker: Broker) -> CeleryMessage:
    """Send a message whose receiver fails for good."""
    defer(signal, name="tests.failing", retry=None, base=Told)(
        Acting({1: raising(ConnectionError())})
    )
    signal.send(None, number=1)
    (celery_message,) = take_celery_messages()
    return celery_message


def test_failure_is_told_once_when_celery_has_handled_it(
    failing: CeleryMessage, order: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert failing.deliver() == "FAILURE"
    assert order == ["Celery", "we"]
    (record,) = [record for record in caplog.records if record.name == "deferred_signals"]
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert isinstance(record.exc_info[1], ConnectionError)


def test_failure_is_told_where_the_project_keeps_celery_from_handling_it(
    failing: CeleryMessage, order: list[str]
) -> None:
    Told.fails = True
    with pytest.warns(RuntimeWarning, match="outside body"), pytest.raises(LookupError):
        failing.deliver()
    assert order.count("we") == 1
    assert order[0] == "Celery"


def test_failure_is_told_where_the_result_backend_is_away(
    signal: Signal, defer: Connected, broker: Broker, order: list[str], monkeypatch: Any
) -> None:
    defer(signal, name="tests.stored", retry=None)(Acting({1: raising(ConnectionError())}))
    signal.send(None, number=1)
    (celery_message,) = take_celery_messages()

    def away(*args: object, **kwargs: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(app.tasks["tests.stored"].backend, "mark_as_failure", away)
    with pytest.warns(RuntimeWarning, match="outside body"), pytest.raises(TimeoutError):
        celery_message.deliver()
    assert order == ["we"]


def test_failure_of_a_task_that_is_called_as_a_function_is_told_at_once(
    failing: CeleryMessage, order: list[str]
) -> None:
    with pytest.raises(ConnectionError):
        app.tasks["tests.failing"](*failing.wires)
    assert order == ["we"]


def test_failure_of_another_task_tells_nothing(failing: CeleryMessage, order: list[str]) -> None:
    task_failure.send(sender=app.tasks["tests.failing"])
    assert order == []


def test_payload_that_is_no_message_is_told_once(
    failing: CeleryMessage, order: list[str], lifecycle: Lifecycle
) -> None:
    assert (
        CeleryMessage(failing.task, ("{}",), failing.headers, failing.properties).deliver()
        == "FAILURE"
    )
    assert order == ["Celery", "we"]
    (told,) = lifecycle.of("receiver_failed")
    assert isinstance(told["exception"], DecodeError)


def test_end_of_a_parked_message_is_told_once(
    failing: CeleryMessage, order: list[str], lifecycle: Lifecycle
) -> None:
    registry.discard(registry.get("tests.failing"))
    (wire,) = failing.wires
    args: Any = (wire, 1.0, 1)
    assert CeleryMessage(PARKED, args, failing.headers, failing.properties).deliver() == "FAILURE"
    assert order == ["we"]
    assert lifecycle.of("receiver_failed")[0]["message"] == unpack(wire)


def test_header_of_a_message_cannot_keep_its_failure_from_being_told(
    failing: CeleryMessage, order: list[str]
) -> None:
    headers = {**failing.headers, "_untold": "x", "called_directly": True}
    CeleryMessage(failing.task, failing.wires, headers, failing.properties).deliver()
    assert order.count("we") == 1
