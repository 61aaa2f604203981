"""Workers that do not know a receiver, or its version: the message waits for one that does, for a while."""

from pathlib import Path

import pytest

from deferred_signals.outbox.models import OutboxMessage
from tests.app.versioned_receivers import is_of_a_version
from tests.support.connected import deferred
from tests.support.processes import wait_until

from .durable import (
    KINDS,
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

#: A worker before a deploy: it has the earlier version of one receiver, and others not at all.
EARLIER = {"TESTS_APP_MODULES": "tests.app.versioned_receivers", "TESTS_VERSION": "1"}
LATER = {"TESTS_APP_MODULES": "tests.app.versioned_receivers tests.app.durable_receivers"}

RECEIVERS = ["atomic", "is_of_a_version", "plain"]


def send_all() -> dict[str, str]:
    """Send a message to each receiver; return the messages' ids."""
    [versioned] = deferred(is_of_a_version.send(None))
    return {"is_of_a_version": versioned.id, **{kind: send(kind) for kind in KINDS}}


def test_message_waits_for_a_worker_that_knows_its_receiver(broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, "earlier", **environment() | EARLIER):
        ids = send_all()
        noted = OutboxMessage.objects.filter(error__startswith="Unknown since")
        wait_until(lambda: noted.count() == 3, 60, "it is noted that the worker does not know them")
        assert not runs()
    with worker(broker, tmp_path, "later", **environment() | LATER):
        wait_for_empty_outbox()
    assert {name: attempts_of(id_, name) for name, id_ in ids.items()} == {
        name: [1] for name in RECEIVERS
    }
    assert not dead_letters()


def test_message_that_no_worker_knows_is_dead_after_a_while(broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, "earlier", **environment(UNKNOWN_GRACE=1) | EARLIER):
        ids = send_all()
        wait_for_empty_outbox()
        wait_until(lambda: len(runs(receiver="failed")) == 3, 30, "all are told of")
    assert dead_letters() == dict.fromkeys(ids.values(), 0)
    told = {run.message_id: run.payload["reason"] for run in runs(receiver="failed")}
    assert told == dict.fromkeys(ids.values(), "UNKNOWN_GRACE is over")
    assert not runs(receiver__in=RECEIVERS)
