"""How long a claim lasts: workers that stop, runs that take long, times and limits of time."""

import signal
import time
from pathlib import Path

import pytest

from deferred_signals.outbox.models import OutboxMessage
from tests.project.celery import app
from tests.support.processes import wait_until

from .durable import (
    LEASE,
    attempts_of,
    dead_letters,
    effects_of,
    environment,
    long_running_kinds,
    many,
    send,
    wait_for_empty_outbox,
)
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .runs import assert_no_more_runs, runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]


def wait_for_claims(count: int) -> None:
    """Wait until so many messages are running."""
    running = OutboxMessage.objects.exclude(claimed_by=None)
    wait_until(lambda: running.count() == count, 30, f"{count} messages run")


@pytest.mark.each_database
def test_worker_that_goes_on_after_its_lease_changes_nothing(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    kinds = long_running_kinds()
    with worker(broker, tmp_path, "stopped", ("-c", "2"), **environment()) as stopped:
        ids = {kind: send(kind, "sleep", times=1, seconds=4) for kind in kinds}
        wait_for_claims(len(kinds))
        wait_for_runs(1, 30, receiver="plain")
        stopped.signal(signal.SIGSTOP)
        with worker(broker, tmp_path, "other", **environment()):
            wait_for_empty_outbox()
            assert not runs(receiver="succeeded", attempt=1)
            stopped.signal(signal.SIGCONT)
            wait_for_runs(1, receiver="succeeded", attempt=1, message_id=ids["plain"], timeout=30)
            assert_no_more_runs(2, message_id=ids["plain"], receiver="plain")
    effects = {kind: attempts_of(id_, kind) for kind, id_ in ids.items()}
    assert effects == {kind: [1, 2] if kind == "plain" else [2] for kind in kinds}
    assert not dead_letters()
    fault = "a worker is stopped for longer than its lease, and goes on"
    faults.count(fault, "prefork, 2 children", **{kind: [id_] for kind, id_ in ids.items()})


@pytest.mark.each_database
def test_times_and_limits_are_kept(broker: Broker, tmp_path: Path, faults: Faults) -> None:
    began = time.time()
    with worker(broker, tmp_path, options=("-c", "3"), **environment(tmp_path, OUTBOX=LEASE)):
        renewed = {
            kind: [send(kind, "sleep", times=1, seconds=many(3, 9))]
            for kind in long_running_kinds()
        }
        later, late = send("timed", seconds=2), send("timed", seconds=2, within=1)
        soft = send("limited", "sleep", times=1, seconds=60)
        hard = send("limited", "hang", times=1, seconds=60)
        broken = send("atomic", "break_commit", times=9)
        wait_for_empty_outbox()
        wait_for_runs(1, receiver="failed", timeout=30)
    for ids in renewed.values():
        assert set(effects_of(ids).values()) == {1}
        assert {run.attempt for run in runs(receiver="succeeded", message_id__in=ids)} == {1}
    [ran] = runs(receiver="timed")
    assert (ran.message_id, ran.attempt) == (later, 1)
    assert ran.at.timestamp() >= began + 2
    assert [run.message_id for run in runs(receiver="discarded")] == [late]
    assert [attempts_of(id_, "limited") for id_ in (soft, hard)] == [[1, 2], [1, 2]]
    assert attempts_of(broken, "atomic") == []
    assert dead_letters() == {broken: 3}
    [failed] = runs(receiver="failed")
    assert (failed.message_id, failed.attempt) == (broken, 3)
    assert failed.payload["error"] == "IntegrityError"
    pool = "prefork, 3 children"
    faults.count("a run is longer than its lease, which is renewed", pool, **renewed)
    faults.count("countdown; expires before it", pool, timed=[later, late])
    faults.count("a run exceeds its soft, another its hard time limit", pool, limited=[soft, hard])
    faults.count("a deferred foreign key fails at each COMMIT", pool, atomic=[broken])


def test_message_whose_wake_up_is_revoked_runs_on_another_worker(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    with worker(broker, tmp_path, **environment(OUTBOX=LEASE)) as process:
        revoked, other = send("timed", seconds=1), send("timed", seconds=1)
        app.control.revoke(revoked)
        wait_for_runs(1, 30, message_id=other)
        wait_until(lambda: f"[{revoked}]" in process.logs(), 30, "its wake-up is dropped")
        assert not runs(message_id=revoked)
    with worker(broker, tmp_path, "other", **environment(OUTBOX=LEASE)):
        wait_for_empty_outbox()
    assert [attempts_of(id_, "timed") for id_ in (revoked, other)] == [[1], [1]]
    assert not dead_letters()
    faults.count("its wake-up is revoked", "prefork, 1 child", timed=[revoked])
