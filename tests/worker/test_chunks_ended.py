"""A chunk that ends early: which calls are through, which one is charged, and which go on alone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from celery.app.task import Context
from celery.exceptions import SoftTimeLimitExceeded, WorkerLostError
from django.dispatch import Signal

from deferred_signals.message import Message
from deferred_signals.message.wire import pack, unpack
from deferred_signals.publishing import posting
from deferred_signals.running.outcomes import Outcome, Retrying
from deferred_signals.worker import entry as _worker  # noqa: F401 - as a worker does when it starts
from deferred_signals.worker.delivery import Delivery
from deferred_signals.worker.parking import PARKED
from deferred_signals.worker.progress import SLOT, Progress
from deferred_signals.worker.unfinished import republish_unfinished
from tests.support.acting import QUICK, Acting, raising
from tests.support.celery_apps import MakeCurrent
from tests.support.celery_messages import CeleryMessage, SendTogether, take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


class FailingHandler(logging.Handler):
    """Stand for a soft time limit that is exceeded while a record is written."""

    def emit(self, record: logging.LogRecord) -> None:
        raise SoftTimeLimitExceeded


@contextmanager
def failing_log() -> Iterator[None]:
    logger, handler = logging.getLogger("deferred_signals"), FailingHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def test_calls_that_a_chunk_left_unfinished_go_on_as_messages_of_their_own(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    """A soft time limit may hit at any moment: here, while a failure is logged."""
    acting = Acting({1: raising(ConnectionError())})
    defer(signal, chunk_size=10, retry=QUICK)(acting)
    (celery_message,) = send_together(4)
    with failing_log():
        assert celery_message.deliver() == "FAILURE"
    assert acting.ran == [0, 1]
    left = [unpack(wire) for single in take_celery_messages() for wire in single.wires]
    assert {message.id for message in left} == set(celery_message.ids[1:])
    attempts = {message.kwargs["number"]: message.attempt for message in left}
    assert attempts == {1: 2, 2: 1, 3: 1}


def go_on(celery_message: CeleryMessage, progress: Progress) -> list[tuple[Message, Outcome]]:
    request = Context({**celery_message.headers, "delivery_info": {"routing_key": "celery"}})
    delivery = Delivery(celery_message.task, request, len(celery_message.wires))
    return republish_unfinished(delivery, celery_message.wires, progress, WorkerLostError())


def test_call_that_ran_is_charged_and_those_that_had_not_begun_are_not(
    send_together: SendTogether, chunked: Acting
) -> None:
    (celery_message,) = send_together(4)
    progress = Progress()
    progress.begin()
    progress.end()
    progress.begin()
    ((message, outcome),) = go_on(celery_message, progress)
    assert (message.kwargs["number"], type(outcome)) == (1, Retrying)
    left = {single.ids[0]: unpack(single.wires[0]).attempt for single in take_celery_messages()}
    assert left == dict(zip(celery_message.ids[1:], [2, 1, 1], strict=True))


def test_no_call_is_charged_where_it_is_not_known_which_one_ran(
    send_together: SendTogether, chunked: Acting
) -> None:
    (celery_message,) = send_together(2)
    assert go_on(celery_message, Progress()) == []
    assert [unpack(single.wires[0]).attempt for single in take_celery_messages()] == [1, 1]


def test_payload_that_is_no_message_fails_and_one_for_a_newer_worker_is_parked(
    send_together: SendTogether, chunked: Acting, lifecycle: Lifecycle
) -> None:
    (celery_message,) = send_together(2)
    newer = replace(unpack(celery_message.wires[0]), version=2)
    go_on(replace(celery_message, wires=("no message", pack(newer))), Progress())
    assert [told["message"] for told in lifecycle.of("receiver_failed")] == [None]
    assert [single.task for single in take_celery_messages()] == [PARKED]


def test_nothing_begins_once_the_parent_has_taken_over(
    send_together: SendTogether, chunked: Acting
) -> None:
    (celery_message,) = send_together(3)
    progress = Progress.shared()
    chunked.does[1] = progress.take_over
    celery_message.properties[SLOT] = progress.slot
    celery_message.deliver()
    assert chunked.ran == [0, 1]
    assert (progress.begun, progress.through) == (2, 2)
    assert take_celery_messages() == []


class Router:
    """A router of a project's, which fails at first, so that nothing is published."""

    def __init__(self, failures: int) -> None:
        self.left = failures

    def __call__(self, name: str, *args: object, **kwargs: object) -> None:
        if self.left:
            self.left -= 1
            raise OSError("the broker is away")


def test_next_attempt_waits_for_the_broker(
    send_together: SendTogether, chunked: Acting, make_current: MakeCurrent
) -> None:
    chunked.does[0] = raising(ConnectionError())
    (celery_message,) = send_together(2)
    make_current(broker_url="memory://", task_routes=[Router(failures=1)])
    assert celery_message.deliver() == "SUCCESS"
    assert chunked.ran == [0, 1]
    (again,) = take_celery_messages()
    assert again.ids == celery_message.ids[:1]


def test_chunk_goes_back_when_a_next_attempt_cannot_be_published(
    send_together: SendTogether,
    chunked: Acting,
    make_current: MakeCurrent,
    lifecycle: Lifecycle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The calls that are through run again with it; the others must not run before."""
    monkeypatch.setattr(posting, "PATIENCE", 1.5)  # of 15 seconds
    chunked.does[1] = raising(ConnectionError())
    (celery_message,) = send_together(4)
    make_current(broker_url="memory://", task_routes=[Router(failures=99)])
    assert celery_message.deliver() == "REJECTED"
    assert chunked.ran == [0, 1]
    assert len(lifecycle.of("receiver_succeeded")) == 1
    assert take_celery_messages() == []
