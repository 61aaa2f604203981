"""What a worker's parent does when a child dies, exits, or overruns its hard time limit."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from celery.exceptions import WorkerLostError
from django.db import transaction
from django.dispatch import Signal

from deferred_signals.message.wire import unpack
from deferred_signals.publishing.waits import HEADER
from deferred_signals.receivers import registry
from deferred_signals.worker import entry as worker  # noqa: F401 - as a worker does when it starts
from deferred_signals.worker.parking import PARKED
from deferred_signals.worker.progress import SLOT, Progress
from tests.project.celery import app
from tests.support.acting import QUICK, Acting
from tests.support.celery_apps import MakeCurrent
from tests.support.celery_messages import take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.parents import Delivered

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

Configure = Callable[..., None]


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


@pytest.fixture
def plain(signal: Signal, defer: Connected) -> str:
    defer(signal, name="tests.plain", chunk_size=10, retry=QUICK)(Acting())
    return "tests.plain"


def deliver(signal: Signal, count: int = 1) -> Delivered:
    with transaction.atomic():
        for number in range(count):
            signal.send(None, number=number)
    return Delivered()


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    "error", [WorkerLostError("killed"), SystemExit(3), KeyboardInterrupt()], ids=repr
)
def test_run_whose_child_died_is_charged_before_its_message_is_acknowledged(
    signal: Signal, lifecycle: Lifecycle, error: BaseException
) -> None:
    delivered = deliver(signal)
    delivered.end_by(error)
    (again,) = take_celery_messages()
    assert unpack(again.wires[0]).attempt == 2
    assert delivered.answers[0] == "acknowledged"
    (told,) = lifecycle.of("receiver_retrying")
    assert told["exception"] is error


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("by", ["_already_revoked", "_already_cancelled"])
def test_child_that_celery_itself_ended_is_not_charged(
    signal: Signal, lifecycle: Lifecycle, by: str
) -> None:
    """Celery notes why it sent the signal, in attributes that it does not document."""
    delivered = deliver(signal)
    assert getattr(delivered.request, by) is False
    setattr(delivered.request, by, True)
    delivered.end_by(SystemExit(3))
    assert take_celery_messages() == []
    assert lifecycle.of("receiver_retrying") == []


@pytest.mark.usefixtures("plain")
def test_failure_of_which_the_child_itself_tells_is_not_charged(signal: Signal) -> None:
    delivered = deliver(signal)
    delivered.end_by(SystemExit(3), told_by_the_child=True)
    assert take_celery_messages() == []


@pytest.mark.usefixtures("plain")
def test_run_is_charged_once(signal: Signal) -> None:
    """The time limit is told first, and then the end of the child that is killed for it."""
    delivered = deliver(signal)
    delivered.lose_its_child()
    delivered.end_by(WorkerLostError("killed"))
    assert take_celery_messages() == []


@pytest.mark.usefixtures("plain")
def test_soft_time_limit_is_the_receivers_own_matter(signal: Signal) -> None:
    delivered = deliver(signal)
    delivered.request.on_timeout(soft=True, timeout=1)
    assert take_celery_messages() == []
    assert delivered.answers == []


@pytest.mark.usefixtures("plain")
def test_message_whose_next_attempt_cannot_be_published_goes_back_to_the_broker(
    signal: Signal, make_current: MakeCurrent
) -> None:
    def away(name: str, *args: object, **kwargs: object) -> None:
        raise OSError("the broker is away")

    delivered = deliver(signal)
    make_current(broker_url="memory://", task_routes=[away])
    delivered.request.on_timeout(soft=False, timeout=1)
    assert delivered.answers == ["rejected"]


@pytest.mark.usefixtures("plain")
def test_child_notes_in_shared_memory_how_far_its_chunk_got(signal: Signal) -> None:
    delivered = deliver(signal, count=3)
    payloads = delivered.request.args
    child = Progress.at(delivered.request.request_dict["properties"][SLOT])
    child.begin()
    child.end()
    child.begin()
    delivered.end_by(WorkerLostError("killed"))
    left = {
        celery_message.ids[0]: unpack(celery_message.wires[0]).attempt
        for celery_message in take_celery_messages()
    }
    assert left == {unpack(payloads[1]).id: 2, unpack(payloads[2]).id: 1}
    assert child.ended


@pytest.mark.usefixtures("plain")
def test_request_of_a_single_message_takes_no_shared_memory(signal: Signal) -> None:
    assert SLOT not in deliver(signal).request.request_dict["properties"]


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("safe", [True, False])
def test_inspection_of_a_worker_shows_names_and_no_values(signal: Signal, safe: bool) -> None:
    signal.send(None, number=0, card="4111 1111")
    request = Delivered().request
    shown = request.info(safe=safe)
    assert "4111 1111" in str(request.args)
    assert "4111 1111" not in str(shown)
    assert shown["args"] == "(number, card)"
