"""Workers that shut down while they run durable messages: leases are kept to the end of the run."""

import os
import signal
from pathlib import Path

import celery
import pytest

from deferred_signals.outbox.models import OutboxMessage
from tests.project.celery import app
from tests.support.processes import wait_until

from .durable import LEASE, attempts_of, dead_letters, environment, send, wait_for_empty_outbox
from .nodes import Broker, needs_local_broker
from .runs import assert_no_more_runs, runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

CELERY = tuple(int(part) for part in celery.__version__.split(".")[:2])


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_run_ends_before_its_worker_and_is_not_repeated(
    pool: str, broker: Broker, tmp_path: Path
) -> None:
    """The solo pool's thread of renewals works beside the receiver; neither worker's relay is in the way."""
    alone = {**LEASE, "RELAY_IN_WORKER": False}
    with (
        worker(broker, tmp_path, "ends", ("-P", pool), **environment(OUTBOX=alone)) as ends,
        worker(broker, tmp_path, "other", ("-Q", "nothing"), **environment(OUTBOX=LEASE)),
    ):
        ids = {kind: send(kind, "sleep", times=1, seconds=2.5) for kind in ("plain", "atomic")}
        running = OutboxMessage.objects.exclude(claimed_by=None)
        wait_until(running.exists, 30, "a message runs")
        first = str(running.get().id)
        os.kill(ends.pid, signal.SIGTERM)
        wait_until(lambda: not ends.alive, 30, "the worker has ended")
        assert first in [run.message_id for run in runs(receiver="succeeded")]
        app.control.add_consumer("celery", reply=True, timeout=5, limit=1)
        wait_for_empty_outbox()
        assert_no_more_runs(1, 0.5, message_id=first, receiver="succeeded")
    assert {kind: attempts_of(id_, kind) for kind, id_ in ids.items()} == {
        "plain": [1],
        "atomic": [1],
    }
    assert not dead_letters()


@pytest.mark.parametrize("node", ["redis"], indirect=True)
@pytest.mark.parametrize("signal_name", ["SIGQUIT", "SIGTERM"])
@pytest.mark.skipif(CELERY < (5, 5), reason="Celery has soft shutdowns since 5.5.")
def test_soft_shutdown_repeats_only_what_takes_longer_than_its_time(
    signal_name: str, broker: Broker, tmp_path: Path
) -> None:
    variables = environment(OUTBOX=LEASE) | {"SOFT_SHUTDOWN_TIMEOUT": "2.5"}
    if signal_name == "SIGTERM":
        variables["REMAP_SIGTERM"] = "SIGQUIT"
    with worker(broker, tmp_path, "ends", ("-c", "2"), **variables) as ends:
        short, long = (send("plain", "sleep", times=1, seconds=seconds) for seconds in (1, 30))
        wait_for_runs(2, 30, receiver="plain")
        os.kill(ends.pid, getattr(signal, signal_name))
        wait_until(lambda: not ends.alive, 30, "the worker has ended")
    assert [run.message_id for run in runs(receiver="succeeded")] == [short]
    assert [str(row.id) for row in OutboxMessage.objects.all()] == [long]
    with worker(broker, tmp_path, "other", **variables):
        wait_for_empty_outbox()
    assert attempts_of(short, "plain") == [1]
    assert attempts_of(long, "plain") == [1, 2]
    assert not dead_letters()
