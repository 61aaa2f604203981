"""Processes that run durable messages die: nothing is lost, and what may run again is known exactly."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

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
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .runs import runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

#: How the page of faults names the points at which a process is killed.
WHEN = {
    "before_claim": "before its claim",
    "after_claim": "right after its claim",
    "before_delete": "after the receiver, before the DELETE of the row",
    "after_delete": "after the DELETE of the row, before the COMMIT if that is another statement",
    "after_commit": "after the COMMIT",
}

#: How it names the pools.
POOLS = {"prefork": "prefork, 1 child", "solo": "solo"}

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
def test_death_repeats_the_effects_of_no_other_run(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    killed: dict[str, tuple[str, str]] = {}
    with worker(broker, tmp_path, options=("-c", "2"), **environment(tmp_path)):
        with transaction.atomic():
            for _ in range(many(1, 20)):
                killed |= {send(kind): (kind, point) for kind in KINDS for point in POINTS}
            neighbours = [send(kind) for kind in KINDS for _ in range(10)]
            for id_, (_kind, point) in killed.items():
                (tmp_path / f"{point}.{id_}").touch()
        wait_for_empty_outbox()
    found = {id_: (*fate, attempts_of(id_, fate[0])) for id_, fate in killed.items()}
    assert not {
        id_: (kind, point, attempts)
        for id_, (kind, point, attempts) in found.items()
        if attempts != EFFECTS[kind][point] and not (point in unseen() and attempts == [1])
    }
    assert set(effects_of(neighbours).values()) == {1}
    assert not [*tmp_path.glob("*_c*.*-*"), *tmp_path.glob("*_delete.*-*")]
    assert not dead_letters()
    for point in POINTS:
        sent = {kind: [id_ for id_, fate in killed.items() if fate == (kind, point)]
                for kind in KINDS}  # fmt: skip
        faults.count(f"a child is SIGKILLed {WHEN[point]}", "prefork, 2 children", **sent)


def unseen() -> set[str]:
    """Return the points at which nothing may tell of a death.

    A child tells its parent that it has begun a task. If it is killed before the parent has read that, Celery
    gives the task to the next child, as if it were new. A claim on SQLite is saved when its answer has been read,
    which is after the statement.
    """
    return {"before_claim", "after_claim"} if connection.vendor == "sqlite" else {"before_claim"}


def assert_dead_after_three_runs(
    faults: Faults,
    fault: str,
    pool: str,
    poisonous: dict[str, str],
    neighbours: dict[str, list[str]],
) -> None:
    """Assert that only the message that kills is dead, that this was told once, and of its effects."""
    assert dead_letters() == dict.fromkeys(poisonous.values(), 3)
    told = runs(receiver="failed")
    assert sorted(run.message_id for run in told) == sorted(poisonous.values())
    assert {run.attempt for run in told} == {3}
    effects = {kind: attempts_of(id_, kind) for kind, id_ in poisonous.items()}
    assert effects == {kind: [1, 2, 3] if kind == "plain" else [] for kind in poisonous}
    for ids in neighbours.values():
        assert set(effects_of(ids).values()) == {1}
    faults.count(fault, pool, **{kind: [id_] for kind, id_ in poisonous.items()})
    faults.count(f"neighbours: {fault}", pool, **neighbours)


@pytest.mark.each_database
def test_message_that_kills_children_is_dead_after_its_last_attempt(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    with worker(broker, tmp_path, **environment(tmp_path)):
        with transaction.atomic():
            poisonous = {kind: send(kind, "kill", times=9) for kind in KINDS}
            neighbours = {kind: [send(kind) for _ in range(10)] for kind in KINDS}
        wait_for_runs(2, receiver="failed", timeout=60)
        wait_for_empty_outbox()
    fault = "a receiver kills its child at each of its three runs"
    assert_dead_after_three_runs(faults, fault, "prefork, 1 child", poisonous, neighbours)


@pytest.mark.parametrize("kind", KINDS)
def test_message_that_kills_workers_is_dead_after_its_last_attempt(
    kind: str, broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    pool = {"plain": "solo", "atomic": "prefork"}[kind]
    with worker(broker, tmp_path, options=("-P", pool), **environment(OUTBOX=LEASE)) as process:
        with transaction.atomic():
            poisonous = {kind: send(kind, "kill_worker", times=9)}
            neighbours = {kind: [send(kind) for _ in range(20)]}
        starts = start_until_dead(process)
        wait_for_empty_outbox()
    assert starts == 3
    fault = "a receiver kills its whole worker at each of its three runs"
    assert_dead_after_three_runs(faults, fault, POOLS[pool], poisonous, neighbours)


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
