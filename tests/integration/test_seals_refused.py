"""A broker whose user may use the project's own queues only: no message is redelivered for ever."""

import json
from pathlib import Path

import pytest

from tests.app.fault_receivers import leaves_a_row, takes_its_worker_down
from tests.support.processes import wait_until

from .nodes import Broker, needs_local_broker
from .runs import defer, runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    needs_local_broker,
]

#: Of Celery and kombu themselves; on RabbitMQ, the default exchange is what all publish by.
NAMES = ("celery", "_kombu", "unacked", "amq.default", "/", "own", "reply")


def test_message_that_takes_workers_down_ends_though_the_broker_refuses_its_seals(
    broker: Broker, tmp_path: Path
) -> None:
    with (
        broker.only_for(*NAMES) as url,
        worker(
            broker,
            tmp_path,
            BROKER_URL=url,
            TESTS_APP_MODULES="tests.app.fault_receivers",
            DEFERRED_SIGNALS=json.dumps({"MAX_REDELIVERIES": 2}),
            TRANSPORT_OPTIONS=json.dumps({"visibility_timeout": 1}),
        ) as own,
    ):
        poisonous = defer(takes_its_worker_down)
        for _ in range(3):
            wait_until(lambda: not own.alive, 10, "the worker is gone")
            own.kill()  # what is left of its children
            own.start()
        [failed] = wait_for_runs(1, timeout=15, receiver="failed")
        assert failed.message_id == poisonous
        assert failed.payload["error"] == "RedeliveredTooOften"
        assert [run.attempt for run in runs(receiver="takes_its_worker_down")] == [1, 1, 1]
        assert "The broker refuses the queue deferred_signals.seal." in own.logs()
        alive = defer(leaves_a_row, number=7)
        wait_for_runs(1, message_id=alive)
