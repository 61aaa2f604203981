"""Workers that do not know a receiver, or its version: the message waits for one that does, for a while."""

from pathlib import Path

import pytest

from deferred_signals.outbox.models import OutboxMessage
from tests.support.processes import wait_until

from .durable import (
    attempts_of,
    dead_letters,
    environment,
    send,
    wait_for_empty_outbox,
)
from .nodes import Broker, needs_local_broker
from .runs import runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

#: What a worker knows before a deploy: no receivers, or an earlier version of one.
NO_RECEIVERS = {"TESTS_APP_MODULES": "tests.app.fault_receivers"}
EARLIER = {"TESTS_VERSION": "1"}


def wait_for_notes(count: int) -> None:
    """Wait until the rows tell since when nobody knows their receivers."""
    noted = OutboxMessage.objects.filter(error__startswith="Unknown since")
    wait_until(lambda: noted.count() == count, 15, f"{count} receivers are not known")


def test_message_waits_for_a_worker_that_knows_its_receiver(broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, "earlier", **environment() | EARLIER):
        newer = send("versioned")
        wait_for_notes(1)
    with worker(broker, tmp_path, "without", **environment() | NO_RECEIVERS):
        others = {kind: send(kind) for kind in ("plain", "atomic")}
        wait_for_notes(3)
        assert not runs()
    with worker(broker, tmp_path, "later", **environment()):
        wait_for_empty_outbox()
    ids = {**others, "versioned": newer}
    assert [attempts_of(id_, receiver) for receiver, id_ in ids.items()] == [[1], [1], [1]]
    assert not dead_letters()


def test_message_that_no_worker_knows_is_dead_after_a_while(broker: Broker, tmp_path: Path) -> None:
    settings = environment(UNKNOWN_GRACE=1)
    with worker(broker, tmp_path, "earlier", **settings | EARLIER):
        newer = send("versioned")
        wait_for_notes(1)
    with worker(broker, tmp_path, "without", **settings | NO_RECEIVERS):
        other = send("plain")
        wait_for_empty_outbox(timeout=20)
        wait_until(lambda: len(runs(receiver="failed")) == 2, 5, "both are told of")
    assert dead_letters() == {newer: 0, other: 0}
    told = {run.message_id: run.payload["reason"] for run in runs(receiver="failed")}
    assert told == dict.fromkeys((newer, other), "UNKNOWN_GRACE is over")
    assert not runs(receiver__in=["plain", "versioned"])
