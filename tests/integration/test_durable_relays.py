"""Relays of real workers, several at once: what they publish, whom they hold up, and what they cost."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from deferred_signals.outbox.models import OutboxMessage
from tests.project.celery import app
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
    unpublished,
    usually_on,
    wait_for_empty_outbox,
)
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .proxy import Proxy
from .queues import received, waiting
from .runs import runs, wait_for_runs
from .workers import command, worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]


def with_module(name: str, **outbox: Any) -> dict[str, str]:
    """Make the environment of a process that loads one module more of `tests.app`."""
    found = environment(OUTBOX={"LEASE": 2, "RELAY_INTERVAL": 0.2, **outbox})
    return {**found, "TESTS_APP_MODULES": f"{found['TESTS_APP_MODULES']} tests.app.{name}"}


@usually_on("redis")
@pytest.mark.each_database
def test_relays_at_once_publish_no_row_twice(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    """All rows are due at one moment, twice: when their wake-ups are lost, and after they failed once."""
    count, relays = many(40, 300), many(2, 3)
    # Longer than a wake-up waits in the queue, on a machine that has other things to do.
    variables = environment(OUTBOX={"LEASE": 6, "RELAY_INTERVAL": 0.05, "RELAY_BATCH": 7})
    with ExitStack() as stack:
        workers = [
            stack.enter_context(worker(broker, tmp_path, f"worker{place}", **variables))
            for place in range(relays)
        ]
        with unpublished():
            ids = {kind: [send(kind, "fail", times=1) for _ in range(count)] for kind in KINDS}
        wait_for_empty_outbox()
        assert received(*workers) == 2 * len(KINDS) * count
    for kind, attempts in (("plain", [1, 2]), ("atomic", [2])):
        assert all(attempts_of(id_, kind) == attempts for id_ in ids[kind])
    assert not dead_letters()
    fault = f"{relays} relays at once find lost wake-ups, and failures that are due"
    faults.count(fault, f"{relays} workers, prefork, 1 child", **ids)


@usually_on("rabbitmq")
def test_rows_of_a_removed_receiver_hold_up_no_other(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    removed = many(150, 600)
    with unpublished():
        for _ in range(removed):
            send("plain")
    OutboxMessage.objects.update(receiver="tests.removed", due_at=timezone.now())
    with unpublished():
        ids = {kind: [send(kind) for _ in range(25)] for kind in KINDS}
    variables = environment(OUTBOX={"LEASE": 2, "RELAY_INTERVAL": 0.2, "RELAY_BATCH": 50})
    with worker(broker, tmp_path, **variables):
        # The living are due when their lease is over, and are looked for a few intervals later.
        wait_for_runs(len(KINDS) * 25, 20, receiver="succeeded")
    assert OutboxMessage.objects.filter(receiver="tests.removed", dead_at=None).count() == removed
    for kind in KINDS:
        assert set(effects_of(ids[kind]).values()) == {1}
    fault = f"{removed} rows of a removed receiver are due before the others"
    faults.count(fault, "prefork, 1 child", **ids)


@usually_on("redis")
def test_relays_write_little_while_the_broker_is_away(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    """A row that cannot be published is written twice in five seconds, however many relays there are."""
    count, relays, seconds = 50, many(3, 20), many(4, 20)
    writes = tmp_path / "writes"
    writes.mkdir()
    variables = with_module("counted_writes") | {"WRITES": str(writes)}
    with Proxy(broker.host_url) as proxy, ExitStack() as stack:
        proxy.go_away()
        for place in range(relays):
            one = command(proxy, tmp_path, f"relay{place}", "relay", **variables)
            stack.enter_context(one).start()
        wait_until(lambda: len([*writes.iterdir()]) == relays, 90, "all relays look")
        with unpublished():
            ids = {kind: [send(kind) for _ in range(count)] for kind in KINDS}
        OutboxMessage.objects.update(woken_at=None, due_at=timezone.now())
        wait_until(lambda: written(writes) > 0, 30, "a relay has taken them")
        time.sleep(seconds)
        rows = len(KINDS) * count
        assert rows <= written(writes) <= 2 * rows * (1 + seconds // 5)
        proxy.come_back()
        with worker(broker, tmp_path, **environment(OUTBOX={"RELAY_IN_WORKER": False})):
            wait_for_empty_outbox(timeout=90)
    for kind in KINDS:
        assert set(effects_of(ids[kind]).values()) == {1}
    fault = f"the broker is away for {seconds} s; {relays} relays, each a process of its own"
    faults.count(fault, "prefork, 1 child", **ids)


def written(folder: Path) -> int:
    """Count the rows that processes have changed."""
    return sum(file.stat().st_size for file in folder.iterdir())


@usually_on("rabbitmq")
def test_route_that_refuses_holds_up_no_other_receiver(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    with unpublished():
        ids = {kind: [send(kind) for _ in range(20)] for kind in ("plain", "aside")}
    OutboxMessage.objects.update(woken_at=None, due_at=timezone.now())
    refusing = with_module("refusing_route") | {"REFUSED": "tests.durable.aside"}
    with worker(broker, tmp_path, "refusing", **refusing) as process:
        wait_for_runs(20, 30, receiver="succeeded")
        wait_until(lambda: "cannot be published" in process.logs(), 30, "the route has refused")
        assert process.logs().count("of tests.durable.aside cannot be published") == 1
    assert {run.message_id for run in runs(receiver="succeeded")} == set(ids["plain"])
    with worker(broker, tmp_path, "other", **environment()):
        wait_for_empty_outbox()
    assert all(attempts_of(id_, kind) == [1] for kind in ids for id_ in ids[kind])
    faults.count("the route of one receiver refuses, until later", "prefork, 1 child", **ids)


@usually_on("redis")
def test_slow_runs_of_one_child_are_woken_up_once(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    """All of them are overdue for long, in a queue that is never empty."""
    count, seconds = many(40, 100), many(1, 20) / 10
    with worker(broker, tmp_path, **environment(OUTBOX=LEASE)) as process:
        with transaction.atomic():
            ids = [send("plain", "sleep", times=1, seconds=seconds) for _ in range(count)]
        wait_for_empty_outbox()
        assert received(process) <= 1.1 * count
    assert set(effects_of(ids).values()) == {1}
    fault = f"runs of {seconds} s wait in the queue for up to {count * seconds:.0f} leases"
    faults.count(fault, "prefork, 1 child", plain=ids)


@usually_on("redis")
def test_wake_up_is_found_that_was_lost_in_a_queue_which_no_relay_s_worker_consumes(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    """The rule is an hour; here it is six seconds, and no other row waits for as long.

    The queue is never empty meanwhile.
    """
    relaying = with_module("short_patience")
    consuming = environment(OUTBOX={**LEASE, "RELAY_IN_WORKER": False})
    queued: list[int | None] = []
    with (
        worker(broker, tmp_path, "relaying", **relaying),
        worker(broker, tmp_path, "consuming", ("-Q", "elsewhere"), **consuming) as consumer,
    ):
        ids = send_slow(10)
        with unpublished():
            lost = [send("elsewhere") for _ in range(3)]
        wait_until(lambda: bool(waiting(app, "elsewhere")), 10, "some wait in the queue")
        until = time.monotonic() + 40
        while len(runs(message_id__in=lost, receiver="elsewhere")) < len(lost):
            assert time.monotonic() < until
            queued.append(waiting(app, "elsewhere"))
            if (queued[-1] or 0) < 5:
                ids += send_slow(5)
            time.sleep(0.05)
        wait_for_empty_outbox()
        messages = received(consumer) + len(lost)
    assert all(queued)
    assert set(effects_of(ids + lost).values()) == {1}
    assert messages <= 1.1 * len(ids + lost)
    fault = "wake-ups are lost in a queue that is never empty, and that no relay's worker consumes"
    faults.count(fault, "prefork, 1 child", elsewhere=ids + lost)


def send_slow(count: int) -> list[str]:
    """Send messages that take a while."""
    return [send("elsewhere", "sleep", times=1, seconds=0.1) for _ in range(count)]
