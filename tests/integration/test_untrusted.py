"""Messages of a stranger with access to the broker: each fails once, and the worker goes on."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from tests.app.models import Run
from tests.app.signals import order_placed
from tests.project.celery import app
from tests.support.payloads import payload_of
from tests.support.processes import Process, wait_until

from .nodes import Broker, needs_local_broker
from .runs import wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    needs_local_broker,
]

TASK = "tests.app.builtin_receivers.placed"
PARKED = "deferred_signals.parked"

#: How long a worker has to end with what it was sent.
SECONDS = 15.0


@pytest.fixture
def running(broker: Broker, tmp_path: Path) -> Iterator[Process]:
    """Start a worker that knows the receivers of built-in signals, and soon gives up parked messages."""
    with worker(
        broker,
        tmp_path,
        TESTS_APP_MODULES="tests.app.builtin_receivers tests.app.short_waits",
        DEFERRED_SIGNALS=json.dumps({"UNKNOWN_GRACE": 1}),
    ) as process:
        yield process


def message(**changes: Any) -> str:
    """Return the payload of a message, with something wrong."""
    return payload_of(**{"receiver": TASK, "kwargs": {"order_id": 7}, **changes})


def works_on() -> None:
    """See that the worker still works: it runs one more message."""
    order_placed.send(None, order_id=4711)
    wait_until(
        lambda: Run.objects.filter(receiver="placed", payload__order_id=4711).exists(),
        SECONDS,
        "the worker still works",
    )


MALFORMED = {
    "text": "no message",
    "empty": "",
    "list": "[]",
    "no text": 7,
    "none": None,
    "nested": "[" * 50_000,
    "surrogate": '{"v": "\ud800"}',
    "large": '"' + "x" * 300_000 + '"',
    "long number": "9" * 10_000,
    "newer wire": message(v=2),
    "no attempt": message(attempt=0),
    "unknown tag": message(kwargs={"order_id": {"$python": "os.system"}}),
    "sender that is no path": message(sender={"$named": 7}),
    "unknown model": message(kwargs={"order_id": {"$model": "shop.Order"}}),
    "unknown database": message(kwargs={"order_id": {"$ref": ["tests_app.Order", 1, "nowhere"]}}),
    "kwarg without a receiver's": message(kwargs={}),
    "self": message(kwargs={"order_id": {"$row": ["tests_app.Order", 7, 7, 7]}}),
    "deep value": message(kwargs={"order_id": json.loads("[" * 400 + "]" * 400)}),
    "strange signal": message(kwargs={"order_id": {"$request": 3}}, signal="#0"),
}


def test_malformed_messages_fail_and_the_worker_goes_on(running: Process) -> None:
    for payload in MALFORMED.values():
        app.send_task(TASK, (payload,), retry=False)
    wait_until(
        lambda: Run.objects.filter(receiver="failed").count() >= len(MALFORMED), 20, "all failed"
    )
    works_on()
    time.sleep(1)
    assert Run.objects.filter(receiver="failed").count() == len(MALFORMED)
    assert running.alive


@pytest.mark.parametrize(
    "identity", ["x" * 1000, "\ud800", "", "a b\r\nc"], ids=["long", "surrogate", "none", "odd"]
)
def test_message_that_says_it_was_redelivered_is_run_or_fails_and_never_loops(
    identity: str, running: Process
) -> None:
    app.send_task(TASK, (message(id=identity, redeliveries=1),))
    try:
        wait_until(Run.objects.exists, 8, "run or failed")
    finally:
        assert running.logs().count("requeue") <= 1, running.logs()[-2000:]


def test_tasks_that_are_called_with_other_arguments_fail_and_nothing_is_parked_for_ever(
    running: Process,
) -> None:
    unknown = message(receiver="nobody")
    calls: list[tuple[str, tuple[Any, ...]]] = [
        (PARKED, (unknown, "no number", 1)),
        (PARKED, (unknown, None, 1)),
        (PARKED, (unknown, time.time(), "no number")),
        (PARKED, (unknown, time.time(), -99)),
        (PARKED, (unknown, 1e300, 1)),
        (PARKED, (unknown,)),
        (PARKED, ("no message", 0, 1)),
        (PARKED, ()),
        (TASK, ()),
        (TASK, (message(), "no message")),
        (TASK, ("no message", "nor this")),
    ]
    for task, args in calls:
        app.send_task(task, args)
    with suppress(TimeoutError):
        wait_for_runs(len(calls), receiver="failed", timeout=8)
    works_on()
    assert Run.objects.filter(receiver="failed").count() == len(calls)


def test_message_whose_signature_is_missing_wrong_or_of_another_key_is_refused(
    broker: Broker, tmp_path: Path
) -> None:
    signing = json.dumps({"SIGNING": True})
    with worker(
        broker, tmp_path, TESTS_APP_MODULES="tests.app.builtin_receivers", DEFERRED_SIGNALS=signing
    ) as process:
        order_placed.send(None, order_id=1)
        with override_settings(DEFERRED_SIGNALS={"SIGNING": True}, SECRET_KEY="another"):
            order_placed.send(None, order_id=2)
        app.send_task(TASK, ("\ud800:" + message(),))
        # By another connection than the others: which is first on the broker is not said.
        wait_for_runs(3, receiver="failed")
        with override_settings(DEFERRED_SIGNALS={"SIGNING": True}):
            works_on()
        failed = [run.payload for run in Run.objects.filter(receiver="failed")]
        assert [run.payload["order_id"] for run in Run.objects.filter(receiver="placed")] == [4711]
        assert len(failed) == 3
        assert {run["error"] for run in failed} == {"DecodeError"}
        assert process.alive
