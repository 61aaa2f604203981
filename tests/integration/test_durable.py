"""Durable messages on real workers: what is committed runs, whatever dies."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from deferred_signals.outbox.models import OutboxMessage
from tests.app.durable_receivers import SIGNALS, in_turn
from tests.support.connected import deferred
from tests.support.processes import wait_until

from .nodes import Broker, needs_local_broker
from .runs import runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    needs_local_broker,
]

SETTINGS = {"OUTBOX": {"LEASE": 2, "RELAY_INTERVAL": 0.2}}
ENVIRONMENT = {
    "DEFERRED_SIGNALS": json.dumps(SETTINGS),
    "TESTS_APP_MODULES": "tests.app.durable_receivers",
}

both = pytest.mark.parametrize("kind", ["plain", "atomic"])


@pytest.fixture(autouse=True)
def short_leases() -> Iterator[None]:
    with override_settings(DEFERRED_SIGNALS=SETTINGS):
        yield


def send(kind: str, does: str = "", **kwargs: Any) -> str:
    [found] = deferred(SIGNALS[kind].send(None, does=does, **kwargs))
    return found.id


def attempts_of(message_id: str, receiver: str) -> list[int]:
    return [run.attempt for run in runs(message_id=message_id, receiver=receiver)]


def wait_for_empty_outbox(timeout: float = 15) -> None:
    wait_until(
        lambda: not OutboxMessage.objects.filter(dead_at=None).exists(), timeout, "all is through"
    )


@both
def test_committed_messages_run_once(kind: str, broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **ENVIRONMENT):
        with transaction.atomic():
            ids = [send(kind) for _ in range(20)]
        ids.append(send(kind))
        wait_for_runs(21)
        wait_for_empty_outbox()
    assert sorted(run.message_id for run in runs(receiver=kind)) == sorted(ids)


@both
def test_failures_are_tried_again_and_buried(kind: str, broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **ENVIRONMENT):
        recovers, never, dropped = (
            send(kind, "fail", times=2), send(kind, "fail", times=9), send(kind, "discard", times=1)
        )  # fmt: skip
        later = send(kind, "later", times=1, after=1)
        wait_for_runs(1, receiver="failed")
        wait_for_runs(1, receiver="discarded")
        wait_for_empty_outbox()
    stays = kind == "plain"
    assert attempts_of(recovers, kind) == ([1, 2, 3] if stays else [3])
    assert attempts_of(never, kind) == ([1, 2, 3] if stays else [])
    assert attempts_of(dropped, kind) == ([1] if stays else [])
    assert attempts_of(later, kind) == ([1, 2] if stays else [2])
    [dead] = OutboxMessage.objects.all()
    assert (str(dead.id), dead.attempt) == (never, 3)
    assert "ConnectionError" in dead.error


def test_rows_of_a_chunk_succeed_retry_and_fail_alone(broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **ENVIRONMENT):
        with transaction.atomic():
            fine = [send("chunked") for _ in range(4)]
            recovers = send("chunked", "fail", times=1)
            never = send("chunked", "fail", times=9)
            fine += [send("chunked") for _ in range(19)]
        wait_for_runs(1, receiver="failed")
        wait_for_empty_outbox()
    assert [attempts_of(message, "chunked") for message in fine] == [[1]] * 23
    assert attempts_of(recovers, "chunked") == [1, 2]
    assert attempts_of(never, "chunked") == [1, 2, 3]
    assert [str(dead.id) for dead in OutboxMessage.objects.all()] == [never]


def test_chunk_whose_child_dies_is_charged_once(broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **ENVIRONMENT):
        with transaction.atomic():
            before = [send("chunked") for _ in range(3)]
            killed = send("chunked", "kill", times=1)
            after = [send("chunked") for _ in range(6)]
        wait_for_empty_outbox(30)
    assert [attempts_of(message, "chunked") for message in before + after] == [[1]] * 9
    assert attempts_of(killed, "chunked") == [1, 2]


@both
def test_child_that_is_killed_is_charged(kind: str, broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **ENVIRONMENT):
        neighbours = [send(kind) for _ in range(20)]
        never = send(kind, "kill", times=9)
        wait_for_runs(1, receiver="failed", timeout=30)
        wait_for_empty_outbox(30)
    stays = kind == "plain"
    assert attempts_of(never, kind) == ([1, 2, 3] if stays else [])
    assert [attempts_of(message, kind) for message in neighbours] == [[1]] * 20
    [dead] = OutboxMessage.objects.all()
    assert (str(dead.id), dead.attempt) == (never, 3)


def test_rows_of_one_key_run_in_their_order_and_never_at_once(
    broker: Broker, tmp_path: Path
) -> None:
    chance = random.Random(7)
    keys = [f"key {place}" for place in range(8)]
    sends = [(key, number) for number in range(6) for key in keys]
    with (
        worker(broker, tmp_path, "one", ("-c", "2"), **ENVIRONMENT),
        worker(broker, tmp_path, "other", ("-c", "2"), **ENVIRONMENT),
    ):
        for key, number in sends:
            in_turn.send(None, key=key, number=number, fails=int(chance.random() < 0.2))
        wait_for_empty_outbox(60)
    for key in keys:
        story = [run.payload for run in runs(receiver="in_turn", payload__key=key)]
        numbers = [step["number"] for step in story]
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(6))
        assert [step["what"] for step in story] == ["begins", "ends"] * (len(story) // 2)
