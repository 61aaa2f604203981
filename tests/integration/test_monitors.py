"""Monitors like Flower see each task end, whatever becomes of its message."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from tests.app.late_receivers import drops_its_message, fails_once, runs_in_time, runs_late
from tests.app.signals import order_placed
from tests.project.celery import app
from tests.support.processes import wait_until

from .nodes import Broker, needs_local_broker
from .runs import defer, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    needs_local_broker,
]


class Monitor:
    """Listens to the events of workers, as `celery events` does."""

    def __init__(self) -> None:
        self._seen: list[dict[str, Any]] = []
        self._receiver: Any = None
        self.listens = threading.Event()

    def listen(self) -> None:
        """Gather events until the test ends."""
        with app.connection_for_read() as connection:
            self._receiver = app.events.Receiver(connection, handlers={"*": self._seen.append})
            self._receiver.on_consume_ready = lambda *args, **kwargs: self.listens.set()
            self._receiver.capture(limit=None, timeout=None, wakeup=False)

    def end(self) -> None:
        self._receiver.should_stop = True

    def of(self, task: str) -> list[dict[str, Any]]:
        """Return the events of one task that tell of a state, in their order."""
        told = ("task-started", "task-succeeded", "task-retried", "task-failed", "task-revoked")
        return [e for e in list(self._seen) if e.get("uuid") == task and e["type"] in told]

    def story(self, task: str) -> list[str]:
        return [event["type"].removeprefix("task-") for event in self.of(task)]

    def tells(self, task: str, state: str) -> bool:
        return state in self.story(task)


@contextmanager
def listening() -> Iterator[Monitor]:
    monitor = Monitor()
    thread = threading.Thread(target=monitor.listen, daemon=True)
    thread.start()
    assert monitor.listens.wait(10)
    try:
        yield monitor
    finally:
        monitor.end()
        thread.join()


STARTED, SUCCEEDED, RETRIED = "started", "succeeded", "retried"


def test_no_task_stays_started_for_ever(broker: Broker, tmp_path: Path) -> None:
    pieces = {"LONGEST_WAIT": 1}
    modules = "tests.app.late_receivers tests.app.short_waits"
    with (
        listening() as monitor,
        worker(
            broker, tmp_path, options=("-E", "-Q", "celery,aside"), WITHOUT_OUTBOX="yes",
            TESTS_APP_MODULES=modules, DEFERRED_SIGNALS=json.dumps({**pieces, "UNKNOWN_GRACE": 1}),
        ),
        override_settings(DEFERRED_SIGNALS=pieces),
    ):  # fmt: skip
        dropped = defer(drops_its_message)
        failing = defer(fails_once)
        late = defer(runs_late, seconds=1.5)
        unknown = defer(order_placed, order_id=7)
        with transaction.atomic():
            calls = [defer(runs_in_time, seconds=0, within=60) for _ in range(2)]
        wait_for_runs(1, timeout=15, receiver="runs_late")
        wait_for_runs(2, timeout=15, receiver="runs_in_time")
        wait_for_runs(2, timeout=15, receiver="fails_once")
        wait_for_runs(1, timeout=15, receiver="failed")
        for task in (late, failing):
            wait_until(partial(monitor.tells, task, SUCCEEDED), 5, "the end is told")
        wait_until(lambda: "failed" in monitor.story(unknown)[2:], 5, "the failure is told")

    assert monitor.story(dropped) == [STARTED, SUCCEEDED]
    (_, succeeded) = monitor.of(dropped)
    assert succeeded["result"] == "'discarded'"
    assert monitor.story(failing) == [STARTED, RETRIED] * 2 + [STARTED, SUCCEEDED]
    assert monitor.story(late) == [STARTED, RETRIED, STARTED, SUCCEEDED]
    # Celery itself says at first that a task has failed which it does not know.
    first, *looks, failed = monitor.story(unknown)
    assert (first, failed) == ("failed", "failed")
    assert looks[:2] == [STARTED, RETRIED]
    assert looks[-1] == STARTED
    assert "4111 1111" not in repr([monitor.of(task) for task in (dropped, failing, late, unknown)])
    assert not any(monitor.story(call) for call in calls)
