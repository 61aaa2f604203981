"""Wake-ups are lost or doubled: each durable message has its effects once, all the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connections, transaction

from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.models import OutboxMessage
from tests.project.celery import app
from tests.project.databases import database_url
from tests.support.processes import wait_until

from .durable import (
    KINDS,
    attempts_of,
    dead_letters,
    effects_of,
    environment,
    long_running_kinds,
    many,
    send,
    unpublished,
    usually_on,
    wait_for_empty_outbox,
)
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .runs import wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]


def send_and_be_killed(broker: Broker, count: int) -> dict[str, list[str]]:
    """Send in a process that is killed between its COMMIT and the publishing."""
    program = Path(__file__).with_name("durable_sender.py")
    done = subprocess.run(
        [sys.executable, str(program), str(count)],
        env={
            **os.environ,
            **environment(),
            "BROKER_URL": broker.host_url,
            "DATABASE_URL": database_url(connections["default"].settings_dict),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    ids: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for line in done.stdout.splitlines():
        kind, id_ = line.split()
        ids[kind].append(id_)
    return ids


def test_message_that_was_never_published_runs_once(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    count = many(10, 200)
    killed = send_and_be_killed(broker, count)
    with unpublished():
        skipped = {kind: [send(kind) for _ in range(count)] for kind in KINDS}
    assert OutboxMessage.objects.count() == 4 * count
    with worker(broker, tmp_path, **environment()):
        wait_for_empty_outbox()
    for kind in KINDS:
        assert set(effects_of(killed[kind] + skipped[kind]).values()) == {1}
    assert not dead_letters()
    pool = "prefork, 1 child"
    faults.count("the sender is SIGKILLed between COMMIT and publishing", pool, **killed)
    faults.count("an earlier on_commit hook of other code raises", pool, **skipped)


@usually_on("redis")
def test_broker_that_loses_everything_loses_no_message(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    count = many(20, 100)
    with worker(broker, tmp_path, options=("-c", "2"), **environment()) as process:
        with transaction.atomic():
            ids = {kind: [send(kind, "sleep", times=1, seconds=0.1) for _ in range(count)]
                   for kind in KINDS}  # fmt: skip
        wait_for_runs(count // 2, timeout=30, receiver__in=KINDS)
        assert OutboxMessage.objects.count() > count // 2
        broker.lose_everything()

        def is_through() -> bool:
            # Celery 5.7 ends, by an AttributeError of its own, if the connection breaks at one moment.
            if not process.alive:
                process.kill()
                process.start()
            return not OutboxMessage.objects.exists()

        wait_until(is_through, 60, "all is through")
    plain = effects_of(ids["plain"])
    assert set(plain.values()) <= {1, 2}
    assert plain.total() <= count + 2  # of two children
    assert set(effects_of(ids["atomic"]).values()) == {1}
    assert not dead_letters()
    fault = "the broker is SIGKILLed while messages run, and starts again empty"
    faults.count(fault, "prefork, 2 children", **ids)


def wake_again(kind: str, ids: list[str], times: int) -> None:
    """Publish the first wake-ups of messages again."""
    for _ in range(times):
        for id_ in ids:
            wake_up = WakeUp("default", id_, 0, time.time())
            app.send_task(f"tests.durable.{kind}", args=[wake_up.to_wire()], task_id=id_)


@pytest.mark.each_database
def test_wake_ups_that_come_five_times_repeat_nothing(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    count = many(10, 200)
    with worker(broker, tmp_path, options=("-c", "2"), **environment()) as process:
        with transaction.atomic():
            ids = {kind: [send(kind, "sleep", times=1, seconds=0.05) for _ in range(count)]
                   for kind in KINDS}  # fmt: skip
        for kind in KINDS:
            wake_again(kind, ids[kind], times=4)
        wait_for_empty_outbox()
        wake_ups = 5 * 2 * count
        wait_until(lambda: process.logs().count(" succeeded in ") >= wake_ups, 60, "all came")
    for kind in KINDS:
        assert set(effects_of(ids[kind]).values()) == {1}
        assert all(attempts_of(id_, kind) == [1] for id_ in ids[kind])
    assert not dead_letters()
    faults.count("each wake-up arrives five times", "prefork, 2 children", **ids)


@pytest.mark.each_database
def test_death_of_a_child_that_has_a_duplicate_charges_no_other_run(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    with worker(broker, tmp_path, options=("-c", "3"), **environment(tmp_path)):
        ids = {kind: send(kind, "sleep", times=1, seconds=3) for kind in long_running_kinds()}
        wait_until(
            lambda: not OutboxMessage.objects.filter(claimed_by=None).exists(), 30, "it runs"
        )
        for kind, id_ in ids.items():
            (tmp_path / f"before_claim.{id_}").touch()
            wake_again(kind, [id_], times=1)
        wait_until(lambda: not [*tmp_path.glob("before_claim.*")], 30, "their children are killed")
        assert OutboxMessage.objects.count() == len(ids)
        wait_for_empty_outbox()
    assert all(attempts_of(id_, kind) == [1] for kind, id_ in ids.items())
    assert not dead_letters()
    fault = "a child with a duplicate wake-up is SIGKILLed while the message runs elsewhere"
    faults.count(fault, "prefork, 3 children", **{kind: [id_] for kind, id_ in ids.items()})
