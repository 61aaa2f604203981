"""Leases that are not renewed, and clocks that differ: runs may be repeated, and none is lost or dead."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from deferred_signals.outbox.models import OutboxMessage
from tests.app.durable_receivers import in_turn
from tests.support.processes import wait_until
from tests.support.services import require_program

from .durable import (
    KINDS,
    attempts_of,
    dead_letters,
    environment,
    long_running_kinds,
    many,
    send,
    usually_on,
    wait_for_empty_outbox,
)
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .runs import defer, runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]


@usually_on("rabbitmq")
def test_runs_whose_leases_are_not_renewed_are_repeated_and_never_dead_after_a_success(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    """The row is dead meanwhile, as no run came back in time, until the first one that counts does."""
    lease, count = many(1, 2), many(1, 3)
    variables = environment(OUTBOX={"LEASE": lease, "RELAY_INTERVAL": 0.05})
    variables["TESTS_APP_MODULES"] += " tests.app.failing_renewals"
    children = ("-c", str(3 * count))
    with (
        worker(broker, tmp_path, "one", children, **variables) as one,
        worker(broker, tmp_path, "other", children, **variables) as other,
    ):
        ids = {
            kind: [send(kind, "sleep", times=3, seconds=4.5 * lease) for _ in range(count)]
            for kind in long_running_kinds()
        }
        wait_for_runs(count, 60, receiver="plain", attempt=2)
        wait_until(lambda: not OutboxMessage.objects.exists(), 60, "all are through")
        late = len(runs(receiver="plain"))
        wait_for_runs(late, 60, receiver="succeeded", message_id__in=ids["plain"])
        assert not OutboxMessage.objects.exists()
        logs = one.logs() + other.logs()
    assert "deferred_signals.leases of durable delivery failed" in logs
    counts = faults.count("no lease is renewed, and runs take 4.5 leases", "2 workers", **ids)
    assert count <= counts["plain"].repeated <= 2 * count
    assert all(found.repeated == 0 for kind, found in counts.items() if kind == "atomic")


@usually_on("redis")
def test_workers_whose_clocks_are_a_minute_apart_repeat_nothing(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no clock but its processes', which are those of one machine.")
    lease = environment(OUTBOX={"LEASE": 1, "RELAY_INTERVAL": 0.05})
    with (
        worker(broker, tmp_path, "behind", ("-c", "2"), **lease, **clock(-30, tmp_path)),
        worker(broker, tmp_path, "ahead", ("-c", "2"), **lease, **clock(30, tmp_path)),
    ):
        began = timezone.now()
        with transaction.atomic():
            ids = {kind: [send(kind, "sleep", times=1, seconds=2) for _ in range(2)]
                   for kind in KINDS}  # fmt: skip
            again = {kind: [send(kind, "fail", times=1) for _ in range(20)] for kind in KINDS}
            later = [send("timed", seconds=1, within=20) for _ in range(10)]
        turns = [defer(in_turn, key="key", number=number, fails=0) for number in range(10)]
        wait_for_empty_outbox()
        took = timezone.now() - began
    told = [run.at for run in runs(receiver="succeeded")]
    assert max(told) - min(told) > timedelta(seconds=60) - took
    assert all(attempts_of(id_, kind) == [1] for kind in KINDS for id_ in ids[kind])
    for kind, attempts in (("plain", [1, 2]), ("atomic", [2])):
        assert all(attempts_of(id_, kind) == attempts for id_ in again[kind])
    assert all(attempts_of(id_, "timed") == [1] for id_ in later)
    numbers = [run.payload["number"] for run in runs(receiver="in_turn")]
    assert numbers == [number for number in range(10) for _ in ("begins", "ends")]
    assert not dead_letters()
    sent = {kind: ids[kind] + again[kind] for kind in KINDS} | {"timed": later, "in_turn": turns}
    fault = "the clocks of two workers are a minute apart"
    faults.count(fault, "2 workers, prefork, 2 children", **sent)


def clock(offset: int, folder: Path) -> dict[str, str]:
    """Make the environment of a process whose clock is wrong by so many seconds."""
    library = folder / "other_clock.so"
    if not library.exists():
        source = Path(__file__).parents[1] / "support" / "other_clock.c"
        compiler = require_program("cc", "gcc", "clang")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, timeout=60
        )
    return {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}
