"""Chunks of durable messages on real workers: their rows are claimed once, and die alone."""

import random
import time
from pathlib import Path

import pytest
from django.db import transaction

from deferred_signals.message.wakeup import WakeUp
from tests.project.celery import app
from tests.support.processes import wait_until

from .durable import (
    LEASE,
    attempts_of,
    dead_letters,
    effects_of,
    environment,
    many,
    send,
    unpublished,
    usually_on,
    wait_for_empty_outbox,
)
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

#: The receiver's `chunk_size`.
SIZE = 10


def send_chunk(does: str = "", place: int = 0) -> list[str]:
    """Send one chunk, of whose messages one does something at its first attempt."""
    with transaction.atomic():
        return [
            send("chunked", does, times=int(bool(does) and number == place))
            for number in range(SIZE)
        ]


def wake_up(ids: list[str]) -> None:
    """Publish the first wake-up of some rows, in one message."""
    texts = [WakeUp("default", id_, 0, time.time()).to_wire() for id_ in ids]
    app.send_task("tests.durable.chunked", args=texts)


@usually_on("rabbitmq")
@pytest.mark.each_database
def test_rows_of_a_chunk_that_others_claim_meanwhile_run_once(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    """Beside each chunk's wake-up there is one for some of its rows, and a second one for all."""
    chance = random.Random(13)
    with unpublished():
        chunks = [send_chunk() for _ in range(many(20, 100))]
    for chunk in chunks:
        parts = [chunk, chunk, *([id_] for id_ in chance.sample(chunk, 3)), chunk[5:]]
        for part in chance.sample(parts, len(parts)):
            wake_up(part)
    with (
        worker(broker, tmp_path, "one", ("-c", "2"), **environment()),
        worker(broker, tmp_path, "other", ("-c", "2"), **environment()),
    ):
        wait_for_empty_outbox()
    ids = [id_ for chunk in chunks for id_ in chunk]
    assert all(attempts_of(id_, "chunked") == [1] for id_ in ids)
    assert not dead_letters()
    fault = "other workers claim some rows of a chunk while it is claimed"
    faults.count(fault, "2 workers, prefork, 2 children", chunked=ids)


def test_run_that_kills_its_child_is_charged_and_no_other_of_its_chunk(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    with worker(broker, tmp_path, **environment()):
        chunks = [send_chunk("kill", place=3) for _ in range(many(1, 10))]
        wait_for_empty_outbox()
    for chunk in chunks:
        attempts = [attempts_of(id_, "chunked") for id_ in chunk]
        assert attempts == [[1]] * 3 + [[1, 2]] + [[1]] * 6
    assert not dead_letters()
    ids = [id_ for chunk in chunks for id_ in chunk]
    faults.count("a run in a chunk kills its child, once", "prefork, 1 child", chunked=ids)


@usually_on("redis")
def test_death_of_a_child_repeats_no_row_of_its_chunk(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    """Before the first run that one is charged; after the last one the child's parent removes all rows."""
    points = {
        "before_claim": "before the claim of its chunk",
        "after_claim": "right after the claim of its chunk",
        "before_delete": "after the last run of its chunk, before the DELETE of the rows",
        "after_delete": "after the DELETE of the rows of its chunk",
    }
    with worker(broker, tmp_path, **environment(tmp_path)):
        with unpublished():
            chunks = {point: [send_chunk() for _ in range(many(1, 10))] for point in points}
        for point, killed in chunks.items():
            for chunk in killed:
                (tmp_path / f"{point}.{chunk[0]}").touch()
                wake_up(chunk)
        wait_for_empty_outbox()
    assert not [*tmp_path.glob("*_claim.*-*"), *tmp_path.glob("*_delete.*-*")]
    for point, killed in chunks.items():
        ids = [id_ for chunk in killed for id_ in chunk]
        charged = int(point.endswith("_claim"))
        for chunk in killed:
            attempts = [attempts_of(id_, "chunked") for id_ in chunk]
            assert attempts == [[1 + charged], *[[1]] * (SIZE - 1)], point
        found = faults.count(
            f"a child is SIGKILLed {points[point]}", "prefork, 1 child", chunked=ids
        )
        assert (found["chunked"].repeated, found["chunked"].dead) == (0, 0)


@usually_on("redis")
def test_death_of_a_worker_charges_all_rows_of_its_chunk(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    with worker(broker, tmp_path, **environment(OUTBOX=LEASE)) as process:
        ids = send_chunk("kill_worker", place=4)
        wait_until(lambda: not process.alive, 30, "the worker is killed")
        process.kill()
        process.start()
        wait_for_empty_outbox()
    attempts = [attempts_of(id_, "chunked") for id_ in ids]
    assert attempts == [[1, 2]] * 5 + [[2]] * 5
    assert effects_of(ids).total() == 15
    assert not dead_letters()
    faults.count(
        "a whole worker is SIGKILLed in the middle of a chunk", "prefork, 1 child", chunked=ids
    )
