"""Durable messages on real workers: what is committed runs, and failures are tried again or buried."""

from pathlib import Path

import pytest
from django.db import transaction

from deferred_signals.outbox.models import OutboxMessage

from .durable import (
    KINDS,
    attempts_of,
    dead_letters,
    effects_of,
    environment,
    send,
    wait_for_empty_outbox,
)
from .nodes import Broker, needs_local_broker
from .runs import runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]


def test_committed_messages_run_once(broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **environment()):
        with transaction.atomic():
            ids = [send(kind) for kind in KINDS for _ in range(10)]
        ids += [send(kind) for kind in KINDS]
        wait_for_empty_outbox()
        wait_for_runs(len(ids), receiver="succeeded")  # which is told after the end of the row
    assert set(effects_of(ids).values()) == {1}
    assert sorted(run.message_id for run in runs(receiver="succeeded")) == sorted(ids)


def test_failures_are_tried_again_and_buried(broker: Broker, tmp_path: Path) -> None:
    sent: dict[str, dict[str, str]] = {}
    with worker(broker, tmp_path, **environment()):
        for kind in KINDS:
            sent[kind] = {
                "recovers": send(kind, "fail", times=2),
                "never": send(kind, "fail", times=9),
                "dropped": send(kind, "discard", times=1),
                "later": send(kind, "later", times=1, after=1),
            }
        wait_for_empty_outbox()
        wait_for_runs(2, 30, receiver="failed")
    effects = {
        kind: {what: attempts_of(id_, kind) for what, id_ in ids.items()}
        for kind, ids in sent.items()
    }
    assert effects == {
        "plain": {"recovers": [1, 2, 3], "never": [1, 2, 3], "dropped": [1], "later": [1, 2]},
        "atomic": {"recovers": [3], "never": [], "dropped": [], "later": [2]},
    }
    assert dead_letters() == {ids["never"]: 3 for ids in sent.values()}
    assert all("ConnectionError" in dead.error for dead in OutboxMessage.objects.all())
    assert {run.message_id for run in runs(receiver="discarded")} == {
        ids["dropped"] for ids in sent.values()
    }


def test_rows_of_a_chunk_succeed_retry_and_fail_alone(broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **environment()):
        with transaction.atomic():
            fine = [send("chunked") for _ in range(4)]
            recovers = send("chunked", "fail", times=1)
            never = send("chunked", "fail", times=9)
            fine += [send("chunked") for _ in range(19)]
        wait_for_runs(1, 30, receiver="failed")
        wait_for_empty_outbox()
    assert [attempts_of(message, "chunked") for message in fine] == [[1]] * 23
    assert attempts_of(recovers, "chunked") == [1, 2]
    assert attempts_of(never, "chunked") == [1, 2, 3]
    assert [str(dead.id) for dead in OutboxMessage.objects.all()] == [never]
