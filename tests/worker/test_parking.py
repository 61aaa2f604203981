"""Messages that speak of what a worker does not know: kept with all they carry, and never charged."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from celery.signals import before_task_publish, task_unknown
from django.dispatch import Signal

from deferred_signals.errors import NotKnownHere
from deferred_signals.message.outgoing import Outgoing
from deferred_signals.message.wire import unpack
from deferred_signals.publishing.waits import HEADER, moment_of
from deferred_signals.receivers import registry
from deferred_signals.running.eager import run_all
from deferred_signals.worker import entry as worker  # noqa: F401 - as a worker does when it starts
from deferred_signals.worker.parking import PARKED
from tests.app.models import Order
from tests.project.celery import app
from tests.support.acting import QUICK, Acting, raising
from tests.support.broker import Broker
from tests.support.celery_apps import MakeCurrent
from tests.support.celery_messages import CeleryMessage, SendTogether, take_celery_messages
from tests.support.connected import Connected
from tests.support.known_types import Colour, Point, Status
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)

Configure = Callable[..., None]
NUMBERS = count()
UNKNOWN = "There is no model 'shop.Refund' in this process."


class Deploy:
    """Kwargs that this process cannot decode, until a test says so."""

    done = False

    def __call__(self, version: int, kwargs: dict[str, Any]) -> dict[str, Any]:
        if not self.done and kwargs["number"] == 1:
            raise NotKnownHere(UNKNOWN)
        return kwargs


@pytest.fixture
def deploy() -> Deploy:
    return Deploy()


@pytest.fixture
def acting(signal: Signal, defer: Connected, deploy: Deploy) -> Acting:
    """Connect a receiver whose calls with the number 1 fit only after the deploy."""
    acting = Acting()
    defer(
        signal, name="tests.deployed", version=2, upgrade=deploy, retry=QUICK,
        headers={"tenant": "blue"}, time_limit=9,
    )(acting)  # fmt: skip
    return acting


def older(celery_message: CeleryMessage) -> CeleryMessage:
    """Make the message one of version 1, so that it is upgraded."""
    wires = [wire.replace('"version":2', '"version":1') for wire in celery_message.wires]
    return replace(celery_message, wires=tuple(wires))


def send_one(signal: Signal, number: int = 1, **kwargs: Any) -> CeleryMessage:
    signal.send(None, number=number, **kwargs)
    (celery_message,) = take_celery_messages()
    return older(celery_message)


def since_of(celery_message: CeleryMessage) -> float:
    """Read since when a parked message's grace counts."""
    wires: Any = celery_message.wires
    since: float = wires[1]
    return since


def times_of(celery_message: CeleryMessage) -> int:
    """Read how often a message was parked."""
    wires: Any = celery_message.wires
    times: int = wires[2]
    return times


def aged(celery_message: CeleryMessage, seconds: float) -> CeleryMessage:
    """Make a parked message look as if it had been parked that many seconds ago."""
    parked: Any = (
        celery_message.wires[0],
        since_of(celery_message) - seconds,
        times_of(celery_message),
    )
    return replace(celery_message, wires=parked)


def test_message_that_refers_to_something_unknown_is_parked_and_charged_nothing(
    signal: Signal,
    acting: Acting,
    deploy: Deploy,
    lifecycle: Lifecycle,
    broker: Broker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    celery_message = send_one(signal)
    for times in (1, 2, 3):
        assert celery_message.deliver() == "RETRY"
        (celery_message,) = take_celery_messages()
        assert celery_message.task == PARKED
        assert times_of(celery_message) == times
        assert celery_message.headers["tenant"] == "blue"
        assert celery_message.headers["timelimit"] == [9, None]
    assert lifecycle.names == ["message_published"]
    assert caplog.text.count(UNKNOWN) == 3
    deploy.done = True
    assert celery_message.deliver() == "SUCCESS"
    assert acting.ran == [1]
    (told,) = lifecycle.of("receiver_succeeded")
    assert told["message"].attempt == 1


@pytest.mark.parametrize(
    ("known", "unknown", "told"),
    [
        ('"tests_app.Order"', '"tests_app.Refund"', "no model 'tests_app.Refund'"),
        ('"PAID","paid"', '"REFUNDED","refunded"', "no member 'REFUNDED'"),
        ("known_types.Colour", "known_types.Shade", "no enum"),
        ("known_types.Point", "known_types.Place", "declares a type"),
        ('"tests.deployed#0"', '"tests.deployed#7"', "listens to no signal 'tests.deployed#7'"),
    ],
    ids=["model", "enum member", "enum", "type", "signal"],
)
def test_message_waits_for_whatever_a_newer_sender_may_refer_to(
    signal: Signal,
    defer: Connected,
    lifecycle: Lifecycle,
    broker: Broker,
    caplog: pytest.LogCaptureFixture,
    known: str,
    unknown: str,
    told: str,
) -> None:
    ran = []

    def receive(sender: object, point: Point, **kwargs: Any) -> None:
        ran.append((point, kwargs["status"], kwargs["colour"]))

    defer([signal, Signal()], name="tests.deployed")(receive)
    signal.send(
        None, order=Order.objects.create(), status=Status.PAID, colour=Colour.RED, point=Point(1, 2)
    )
    (celery_message,) = take_celery_messages()
    (wire,) = celery_message.wires
    assert known in wire
    newer = replace(celery_message, wires=(wire.replace(known, unknown),))
    assert newer.deliver() == "RETRY"
    (kept,) = take_celery_messages()
    assert kept.task == PARKED
    assert told in caplog.text
    assert kept.deliver() == "RETRY"
    (kept,) = take_celery_messages()
    after = replace(kept, wires=(wire, *kept.wires[1:]))
    assert after.deliver() == "SUCCESS"
    assert ran == [(Point(1, 2), Status.PAID, Colour.RED)]
    assert lifecycle.names == ["message_published", "receiver_started", "receiver_succeeded"]


def test_message_that_stays_unknown_fails_when_the_grace_is_over(
    signal: Signal, acting: Acting, lifecycle: Lifecycle, broker: Broker, configure: Configure
) -> None:
    configure(UNKNOWN_GRACE=60)
    celery_message = send_one(signal)
    celery_message.deliver()
    (celery_message,) = take_celery_messages()
    assert aged(celery_message, 59).deliver() == "RETRY"
    (again,) = take_celery_messages()
    assert since_of(again) == pytest.approx(since_of(celery_message) - 59)
    assert aged(celery_message, 61).deliver() == "FAILURE"
    (told,) = lifecycle.of("receiver_failed")
    assert isinstance(told["exception"], NotKnownHere)
    assert told["reason"] == "UNKNOWN_GRACE is over"
    assert acting.ran == []


def test_call_of_a_chunk_that_refers_to_something_unknown_is_parked_alone(
    signal: Signal,
    defer: Connected,
    deploy: Deploy,
    send_together: SendTogether,
    lifecycle: Lifecycle,
) -> None:
    acting = Acting()
    defer(
        signal, name="tests.deployed", chunk_size=10, version=2, upgrade=deploy, time_limit=9
    )(acting)  # fmt: skip
    (celery_message,) = send_together(3)
    assert older(celery_message).deliver() == "SUCCESS"
    assert acting.ran == [0, 2]
    (parked,) = take_celery_messages()
    assert parked.task == PARKED
    assert parked.headers["id"] == unpack(celery_message.wires[1]).id
    assert parked.headers["timelimit"] == [9, None]
    assert lifecycle.of("receiver_failed") == []
    assert len(lifecycle.of("receiver_started")) == 2


def test_message_that_refers_to_something_unknown_fails_in_eager_mode(
    signal: Signal, acting: Acting, lifecycle: Lifecycle, broker: Broker
) -> None:
    celery_message = send_one(signal)
    with pytest.raises(NotKnownHere):
        run_all([Outgoing(unpack(wire), wire, {}) for wire in celery_message.wires])
    (told,) = lifecycle.of("receiver_failed")
    assert isinstance(told["exception"], NotKnownHere)
    assert take_celery_messages() == []


@pytest.fixture
def tracer() -> Iterator[None]:
    """Stand for packages that write headers from the context that they are in."""

    def write(headers: dict[str, Any], **kwargs: Any) -> None:
        headers |= {"tenant": "public", "trace": "here"}
        headers.setdefault("headers", {})["trace"] = "here"

    before_task_publish.connect(write)
    yield
    before_task_publish.disconnect(write)


def drop(name: str) -> None:
    """Let Celery drop the message on the broker, as where it does not know the task."""
    with app.connection_for_read() as opened:
        channel: Any = opened.default_channel
        message = channel.basic_get("celery", no_ack=True)
    registry.discard(registry.get(name))
    task_unknown.send(None, message=message, name=name)


def sent(signal: Signal, defer: Connected, **options: Any) -> str:
    """Send a message for a receiver of its own, and return the receiver's name."""
    name = f"tests.newcomer_{next(NUMBERS)}"
    defer(signal, name=name, **options)(Acting())
    signal.send(None, number=1)
    return name


@pytest.mark.usefixtures("tracer")
def test_message_for_an_unknown_task_keeps_what_it_came_with(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    def as_sent(headers: dict[str, Any], **kwargs: Any) -> None:
        headers |= {"tenant": "blue", "trace": "there", "headers": {"trace": "there"}}

    before_task_publish.connect(as_sent)
    name = sent(
        signal, defer, priority=3, expires=60, time_limit=30, soft_time_limit=20,
        compression="gzip", serializer="yaml",
    )  # fmt: skip
    before_task_publish.disconnect(as_sent)
    with app.connection_for_read() as opened:
        channel: Any = opened.default_channel
        original = channel.basic_get("celery", no_ack=True)
    original.accept = {original.content_type}
    task_unknown.send(None, message=original, name=name)
    with app.connection_for_read() as opened:
        channel = opened.default_channel
        kept = channel.basic_get("celery", no_ack=True)
    own = {"task", "eta", "argsrepr"}
    assert {key: item for key, item in kept.headers.items() if key not in own} == {
        key: item for key, item in original.headers.items() if key not in own
    }
    assert kept.headers["task"] == PARKED
    assert kept.content_type == original.content_type == "application/x-yaml"
    for name in ("priority", "correlation_id", "reply_to"):
        assert kept.properties[name] == original.properties[name]


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("protocol", [1, 2])
def test_countdown_for_an_unknown_task_goes_on(
    signal: Signal, defer: Connected, make_current: MakeCurrent, protocol: int
) -> None:
    make_current(broker_url="memory://", task_protocol=protocol)
    name = sent(signal, defer, countdown=40, headers={"tenant": "blue"})
    app.set_current()
    drop(name)
    (parked,) = take_celery_messages()
    due = moment_of(parked.headers["eta"])
    assert due is not None
    assert 38 < due - time.time() < 40.1
    assert parked.headers["tenant"] == "blue"
    assert 38 < since_of(parked) - time.time() < 40.1  # the grace begins then


@pytest.mark.usefixtures("broker")
def test_cut_countdown_for_an_unknown_task_goes_on(
    signal: Signal, defer: Connected, configure: Configure
) -> None:
    configure(LONGEST_WAIT=5)
    drop(sent(signal, defer, countdown=40))
    (parked,) = take_celery_messages()
    assert 38 < parked.headers[HEADER]["due"] - time.time() < 40.1


@pytest.mark.usefixtures("broker")
def test_expired_message_for_an_unknown_task_is_not_parked(
    signal: Signal, defer: Connected
) -> None:
    drop(sent(signal, defer, expires=datetime(2026, 1, 31, tzinfo=UTC)))
    assert take_celery_messages() == []


@pytest.mark.usefixtures("tracer", "broker")
def test_next_attempt_keeps_the_headers_of_its_message(
    signal: Signal, acting: Acting, deploy: Deploy
) -> None:
    deploy.done = True
    acting.does[1] = raising(ConnectionError())
    celery_message = send_one(signal)
    headers = {
        **celery_message.headers,
        "tenant": "blue",
        "trace": "there",
        "headers": {"trace": "there"},
    }
    assert replace(celery_message, headers=headers).deliver() == "RETRY"
    (again,) = take_celery_messages()
    for name in ("tenant", "trace", "headers", "root_id", "parent_id"):
        assert again.headers[name] == headers[name]
