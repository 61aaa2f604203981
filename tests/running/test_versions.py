"""Versions of a receiver's kwargs: messages in flight across a deploy."""

import json
from typing import Any

import pytest
from django.dispatch import Signal

from deferred_signals import InvalidReceiver
from deferred_signals.message import Message
from deferred_signals.receivers import registry
from deferred_signals.running.attempt import Attempt, prepare
from deferred_signals.running.outcomes import Failed, Succeeded, Unknown
from tests.app.models import Order
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.messages import execute
from tests.support.recorder import Recorder, listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


def message_of(name: str, *, version: int = 1, **kwargs: Any) -> Message:
    """MakeMessage a message as an older or newer release of the project sends it."""
    found = registry.find(name)
    assert found is not None
    return Message.from_wire(
        json.dumps(
            {
                "v": 1, "id": "5f1c", "receiver": name, "signal": "#0", "sender": None,
                "kwargs": found.codec.encode(kwargs), "using": "default", "sent_at": 1e9,
                "depth": 0, "attempt": 1, "redeliveries": 0, "version": version, "context": {},
            }
        )
    )  # fmt: skip


def test_message_has_the_version_of_its_receiver(
    signal: Signal, defer: Connected, lifecycle: Lifecycle
) -> None:
    listen(defer, signal, version=3)
    signal.send(None)
    (started,) = lifecycle.of("receiver_started")
    assert started["message"].version == 3


def test_older_message_is_upgraded(signal: Signal, defer: Connected) -> None:
    asked = []

    def upgrade(version: int, kwargs: dict[str, Any]) -> dict[str, Any]:
        asked.append((version, dict(kwargs)))
        return {"total": kwargs["cents"] / 100, "order": kwargs["order"]}

    recorder = listen(defer, signal, name="tests.upgraded", version=3, upgrade=upgrade)
    order = Order.objects.create()
    outcome = execute(message_of("tests.upgraded", version=2, cents=150, order=order))
    assert isinstance(outcome, Succeeded)
    assert asked == [(2, {"cents": 150, "order": order})]
    assert recorder["total"] == 1.5
    assert recorder["order"] == order
    assert recorder["sender"] is None
    assert recorder["signal"] is signal
    assert "cents" not in recorder.calls[0]


def test_message_of_the_same_version_is_not_upgraded(signal: Signal, defer: Connected) -> None:
    def upgrade(version: int, kwargs: dict[str, Any]) -> dict[str, Any]:
        pytest.fail("asked")

    recorder = listen(defer, signal, name="tests.upgraded", version=2, upgrade=upgrade)
    execute(message_of("tests.upgraded", version=2, cents=150))
    assert recorder["cents"] == 150


def test_kwarg_that_an_older_message_lacks_is_the_receivers_default(
    signal: Signal, defer: Connected
) -> None:
    got = []

    @defer(signal, name="tests.defaults", version=2)
    def receive(sender: object, order_id: int, currency: str = "EUR", **kwargs: object) -> None:
        got.append((order_id, currency))

    execute(message_of("tests.defaults", version=1, order_id=7))
    assert got == [(7, "EUR")]


@pytest.mark.parametrize("result", [None, 7, [1]])
def test_upgrade_that_gives_no_kwargs_fails(result: Any, signal: Signal, defer: Connected) -> None:
    recorder = listen(
        defer, signal, name="tests.upgraded", version=2, upgrade=lambda *_: result, retry=None
    )
    outcome = execute(message_of("tests.upgraded", version=1))
    assert isinstance(outcome, Failed)
    assert recorder.calls == []


def test_newer_message_is_told_apart_and_not_run(signal: Signal, defer: Connected) -> None:
    recorder = listen(defer, signal, name="tests.older", version=2)
    newer = prepare(message_of("tests.older", version=3))
    assert isinstance(newer, Unknown)
    assert "version 3" in str(newer.exception)
    assert "version 2" in str(newer.exception)
    assert isinstance(prepare(message_of("tests.older", version=2)), Attempt)
    assert recorder.calls == []


@pytest.mark.parametrize("version", [0, -1, 1.5, True, "2", None])
def test_version_is_a_whole_number_from_one(version: Any, signal: Signal, defer: Connected) -> None:
    with pytest.raises(InvalidReceiver, match="version must be a whole number of at least 1"):
        defer(signal, version=version)(Recorder())
