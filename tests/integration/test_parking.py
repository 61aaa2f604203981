"""During a deploy, a message that a worker does not know yet waits for a worker that does."""

import json
import time
from pathlib import Path

import pytest
from django.test import override_settings

from deferred_signals import receiver
from deferred_signals.receivers import registry
from tests.app.models import Run
from tests.app.signals import order_placed
from tests.project.celery import app
from tests.support.processes import Process, wait_until

from .nodes import Broker, needs_local_broker
from .runs import defer, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    needs_local_broker,
]

OLD = "tests.app.short_waits"
#: The same, for `stop_between_looks`.
STOPPED = "tests.app.one_short_wait"
NEW = "tests.app.short_waits tests.app.builtin_receivers"


def stop_between_looks(old: Process) -> None:
    """Stop a worker when its child has parked its only message again: it holds it, and runs nothing.

    A prefork worker that is asked to stop while it hands a task to its child, or its child ends one,
    may forget the task: Celery gives the message out again, and the parent waits 30 seconds for a
    child whose result nobody reads. The message then is run twice, as it may be.
    """
    wait_until(lambda: "retry: Parked" in old.logs(), 15, "its child has parked it again")
    old.stop()


def test_message_for_an_unknown_receiver_runs_once_a_worker_that_knows_it_starts(
    broker: Broker, tmp_path: Path
) -> None:
    with worker(broker, tmp_path, "old", TESTS_APP_MODULES=STOPPED) as old:
        message_id = defer(order_placed, "a sender", order_id=7)
        stop_between_looks(old)
    assert not Run.objects.exists()
    with worker(broker, tmp_path, "new", TESTS_APP_MODULES=NEW):
        (run,) = wait_for_runs(1, timeout=20)
    time.sleep(0.5)
    assert Run.objects.count() == 1
    assert run.payload == {"sender": "a sender", "order_id": 7}
    assert run.message_id == message_id
    assert run.attempt == 1


def test_message_is_kept_while_old_and_new_workers_share_a_queue(
    broker: Broker, tmp_path: Path
) -> None:
    with (
        worker(broker, tmp_path, "old", TESTS_APP_MODULES=OLD),
        worker(broker, tmp_path, "new", TESTS_APP_MODULES=NEW),
    ):
        for number in range(20):
            order_placed.send(None, order_id=number)
        wait_until(lambda: Run.objects.count() >= 20, 20, "all have run")
        time.sleep(0.5)
    numbers = sorted(run.payload["order_id"] for run in Run.objects.all())
    assert numbers == list(range(20))


def test_message_whose_receiver_never_comes_fails_with_near_names_when_the_grace_is_over(
    broker: Broker, tmp_path: Path
) -> None:
    with worker(
        broker, tmp_path, TESTS_APP_MODULES=NEW, DEFERRED_SIGNALS=json.dumps({"UNKNOWN_GRACE": 1})
    ) as process:

        @receiver(order_placed, deferred=True, name="tests.app.builtin_receivers.place", weak=False)
        def misnamed(sender: object, **kwargs: object) -> None: ...

        try:
            order_placed.send(None, order_id=7)
        finally:
            order_placed.disconnect(misnamed)
            registry.discard(registry.get("tests.app.builtin_receivers.place"))
        (run,) = wait_for_runs(1, timeout=20, receiver="failed")
        assert run.payload["of"] == "tests.app.builtin_receivers.place"
        assert run.payload["error"] == "UnknownReceiver"
        assert "Did you mean 'tests.app.builtin_receivers.placed'?" in run.payload["text"]
        assert run.payload["reason"] == "UNKNOWN_GRACE is over"
        looks = process.logs().count("is parked for")
        assert 2 <= looks <= 6  # at 0, 0.3, 0.6, 0.9 s: no hot loop
        assert [run.payload["order_id"] for run in Run.objects.filter(receiver="placed")] == [7]


def test_newer_version_of_a_message_waits_and_fails_when_the_grace_is_over(
    broker: Broker, tmp_path: Path
) -> None:
    with worker(
        broker, tmp_path, TESTS_APP_MODULES=NEW, DEFERRED_SIGNALS=json.dumps({"UNKNOWN_GRACE": 1})
    ):
        text = json.dumps(
            {
                "v": 1, "id": "5f1c", "receiver": "tests.app.builtin_receivers.placed",
                "signal": "tests.app.signals.order_placed", "sender": None,
                "kwargs": {"order_id": 7}, "using": "default", "sent_at": time.time(), "depth": 0,
                "attempt": 1, "redeliveries": 0, "version": 2, "context": {},
            }
        )  # fmt: skip
        app.send_task("tests.app.builtin_receivers.placed", (text,), task_id="5f1c")
        (run,) = wait_for_runs(1, timeout=20)
    assert run.receiver == "failed"
    assert "version 2" in run.payload["text"]


def test_signed_message_that_was_parked_is_run_under_a_rotated_key(
    broker: Broker, tmp_path: Path
) -> None:
    signing = json.dumps({"SIGNING": True})
    with worker(
        broker, tmp_path, "old", TESTS_APP_MODULES=STOPPED, DEFERRED_SIGNALS=signing
    ) as old:
        with override_settings(DEFERRED_SIGNALS={"SIGNING": True}):
            order_placed.send(None, order_id=7)
        stop_between_looks(old)
    rotated = f"{NEW} tests.app.rotated_key"
    with worker(broker, tmp_path, "new", TESTS_APP_MODULES=rotated, DEFERRED_SIGNALS=signing):
        (run,) = wait_for_runs(1, timeout=20)
    assert run.payload == {"sender": None, "order_id": 7}
