"""Processes that run durable messages die: nothing is lost, and what may run again is known exactly."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from tests.app.durable_deaths import POINTS
from tests.support.processes import wait_until

from .durable import (
    KINDS,
    LEASE,
    attempts_of,
    dead_letters,
    effects_of,
    environment,
    many,
    send,
    wait_for_empty_outbox,
)
from .nodes import Broker, needs_local_broker
from .runs import runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

#: The attempts whose effects are there after one death. A death before the end uses up an attempt.
EFFECTS: dict[str, dict[str, list[int]]] = {
    "plain": {
        "before_claim": [2],
        "after_claim": [2],
        "before_delete": [1, 2],
        "after_delete": [1],  # each of its statements is a transaction
        "after_commit": [1],
    },
    "atomic": {
        "before_claim": [2],
        "after_claim": [2],
        "before_delete": [2],
        "after_delete": [2],
        "after_commit": [1],
    },
}


@pytest.mark.each_database
def test_death_repeats_the_effects_of_no_other_run(broker: Broker, tmp_path: Path) -> None:
    killed: dict[str, tuple[str, str]] = {}
    with worker(broker, tmp_path, options=("-c", "2"), **environment(tmp_path)):
        with transaction.atomic():
            for _ in range(many(1, 20)):
                killed |= {send(kind): (kind, point) for kind in KINDS for point in POINTS}
            neighbours = [send(kind) for kind in KINDS for _ in range(10)]
            for id_, (_kind, point) in killed.items():
                (tmp_path / f"{point}.{id_}").touch()
        wait_for_empty_outbox(timeout=many(60, 300))
    found = {id_: (*fate, attempts_of(id_, fate[0])) for id_, fate in killed.items()}
    assert found == {
        id_: (kind, point, EFFECTS[kind][point]) for id_, (kind, point) in killed.items()
    }
    assert set(effects_of(neighbours).values()) == {1}
    assert not [*tmp_path.glob("*_c*.*-*"), *tmp_path.glob("*_delete.*-*")]
    assert not dead_letters()


def assert_dead_after_three_runs(poisonous: dict[str, str], neighbours: list[str]) -> None:
    """Assert that only the message that kills is dead, that this was told once, and of its effects."""
    assert dead_letters() == dict.fromkeys(poisonous.values(), 3)
    told = runs(receiver="failed")
    assert sorted(run.message_id for run in told) == sorted(poisonous.values())
    assert {run.attempt for run in told} == {3}
    effects = {kind: attempts_of(id_, kind) for kind, id_ in poisonous.items()}
    assert effects == {kind: [1, 2, 3] if kind == "plain" else [] for kind in poisonous}
    assert set(effects_of(neighbours).values()) == {1}


@pytest.mark.each_database
def test_message_that_kills_children_is_dead_after_its_last_attempt(
    broker: Broker, tmp_path: Path
) -> None:
    with worker(broker, tmp_path, **environment(tmp_path)):
        with transaction.atomic():
            poisonous = {kind: send(kind, "kill", times=9) for kind in KINDS}
            neighbours = [send(kind) for kind in KINDS for _ in range(10)]
        wait_for_runs(2, receiver="failed", timeout=60)
        wait_for_empty_outbox()
    assert_dead_after_three_runs(poisonous, neighbours)


@pytest.mark.parametrize("kind", KINDS)
def test_message_that_kills_workers_is_dead_after_its_last_attempt(
    kind: str, broker: Broker, tmp_path: Path
) -> None:
    pool = {"plain": "solo", "atomic": "prefork"}[kind]
    with worker(broker, tmp_path, options=("-P", pool), **environment(OUTBOX=LEASE)) as process:
        with transaction.atomic():
            poisonous = {kind: send(kind, "kill_worker", times=9)}
            neighbours = [send(kind) for _ in range(20)]
        starts = start_until_dead(process)
        wait_for_empty_outbox()
    assert starts == 3
    assert_dead_after_three_runs(poisonous, neighbours)


def start_until_dead(process: Any) -> int:
    """Start a worker again each time that it dies, until a message is dead; count the starts."""
    starts = 0

    def is_over() -> bool:
        nonlocal starts
        if not process.alive:
            process.kill()  # children whose parent was killed first
            with suppress(RuntimeError):  # it may be killed as it starts
                starts += 1
                process.start()
        return bool(dead_letters()) and bool(runs(receiver="failed"))

    wait_until(is_over, 90, "the message is dead")
    return starts
