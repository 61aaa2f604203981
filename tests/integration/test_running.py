"""A deferred receiver on a real worker, when nothing breaks but the receiver itself."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.db import transaction
from django.test import override_settings
from pytest_celery import CeleryTestSetup

from tests.app.fault_receivers import (
    VALUES,
    asks_for_later,
    compares,
    is_coalesced,
    is_not_wanted,
    leaves_a_row,
    leaves_a_row_async,
    never_succeeds,
    recovers,
)
from tests.app.models import Order, PaidOrder, Run
from tests.project.celery import app

from .queues import assert_nothing_left
from .runs import assert_no_more_runs, defer, runs, wait_for_runs

STORED = Path(__file__).with_name("stored") / "message_v1.json"
SECRET = "7391-kwarg-value-1937"


def gaps(of: list[Run]) -> list[float]:
    """Return the seconds between runs."""
    return [(after.at - before.at).total_seconds() for before, after in pairwise(of)]


def test_receiver_runs_after_the_commit_and_not_after_a_rollback(
    celery_setup: CeleryTestSetup,
) -> None:
    with transaction.atomic():
        committed = defer(leaves_a_row, number=1)
        with transaction.atomic():
            defer(leaves_a_row, number=2)
            transaction.set_rollback(True)
        kept = defer(leaves_a_row, number=3)
        assert_no_more_runs(0, seconds=0.3)
    with transaction.atomic():
        defer(leaves_a_row, number=4)
        transaction.set_rollback(True)
    at_once = defer(leaves_a_row, number=5)
    wait_for_runs(3)
    assert_nothing_left(celery_setup)
    ran = {run.message_id: run.payload["number"] for run in runs()}
    assert ran == {committed: 1, kept: 3, at_once: 5}
    assert len(runs()) == 3
    assert {run.payload["parent"] for run in runs()} == {celery_setup.worker.container.process.pid}


def test_sends_that_are_coalesced_run_once_over_what_was_committed(
    celery_setup: CeleryTestSetup,
) -> None:
    orders = [Order.objects.create(), Order.objects.create()]
    last = []
    with transaction.atomic():
        for order in orders:
            defer(is_coalesced, instance=order, number=1, changes={"a": (1, 2)})
            with transaction.atomic():
                defer(is_coalesced, instance=order, number=2, changes={"a": (2, 3)})
                transaction.set_rollback(True)
            with transaction.atomic():
                last += [defer(is_coalesced, instance=order, number=3, changes={"b": (1, 2)})]
    wait_for_runs(2)
    assert_nothing_left(celery_setup)
    ran = sorted(runs(), key=lambda run: run.payload["order"])
    told = {"number": 3, "changes": {"a": [1, 2], "b": [1, 2]}}
    assert [run.payload for run in ran] == [{"order": order.pk, **told} for order in orders]
    assert [run.message_id for run in ran] == last


def test_kwargs_arrive_equal_to_those_that_were_sent(celery_setup: CeleryTestSetup) -> None:
    order = Order.objects.create(status="new")
    with transaction.atomic():
        defer(compares, sender=PaidOrder, order=order, **VALUES)
        Order.objects.filter(pk=order.pk).update(status="paid")
    [run] = wait_for_runs(1)
    assert run.payload == {
        "others": [],
        "unexpected": [],
        "sender_is_proxy": True,
        "signal_is_the_signal": True,
        "status": "paid",
    }


def test_async_receiver_is_awaited(celery_setup: CeleryTestSetup) -> None:
    message = defer(leaves_a_row_async, number=7)
    [run] = wait_for_runs(1)
    assert (run.message_id, run.payload) == (message, {"number": 7})


def test_failing_receiver_is_tried_again_until_it_succeeds_where_and_as_it_was_sent(
    celery_setup: CeleryTestSetup,
) -> None:
    with routed({"tests.recovers": {"queue": "aside"}}):
        aside = defer(recovers)
    as_usual = defer(recovers)
    wait_for_runs(6)
    assert_nothing_left(celery_setup, "aside")
    assert len(runs()) == 6
    for message, queue in ((aside, "aside"), (as_usual, "celery")):
        of_message = runs(message_id=message)
        assert [run.attempt for run in of_message] == [1, 2, 3]
        first, second = gaps(of_message)
        assert first >= 0.3
        assert second >= 0.6
        expected = {"queue": queue, "priority": 3, "header": "blue", "task_id": message}
        assert [run.payload for run in of_message] == [expected] * 3


@contextmanager
def routed(routes: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Let this process, and not the worker, know routes of tasks."""
    with override_settings(CELERY_TASK_ROUTES=routes):
        read_routes()
        yield
    read_routes()


def read_routes() -> None:
    app.amqp.flush_routes()
    app.amqp.router = app.amqp.Router()  # type: ignore[misc]


def test_receiver_that_never_succeeds_is_given_up_after_max_attempts(
    celery_setup: CeleryTestSetup,
) -> None:
    message = defer(never_succeeds)
    wait_for_runs(1, receiver="failed")
    assert_nothing_left(celery_setup)
    assert_no_more_runs(4, seconds=0.3)
    *attempts, failed = runs(message_id=message)
    assert [run.attempt for run in attempts] == [1, 2, 3]
    assert failed.payload == {
        "of": "tests.never_succeeds",
        "error": "ConnectionError",
        "reason": "attempt 3 of 3 failed",
    }


def test_receiver_may_choose_its_wait_or_drop_its_message(celery_setup: CeleryTestSetup) -> None:
    later = defer(asks_for_later, after=0.4)
    dropped = defer(is_not_wanted)
    wait_for_runs(2, message_id=later)
    assert_nothing_left(celery_setup)
    assert [run.attempt for run in runs(message_id=later)] == [1, 2]
    [wait] = gaps(runs(message_id=later))
    assert 0.4 <= wait < 10
    assert [run.receiver for run in runs(message_id=dropped)] == ["is_not_wanted", "discarded"]
    assert runs(receiver="discarded")[0].payload["reason"] == "the order was cancelled meanwhile"


def test_message_of_version_1_that_was_stored_still_runs(celery_setup: CeleryTestSetup) -> None:
    Order.objects.create(pk=7, status="new")
    app.send_task("tests.compares", (STORED.read_text(),), task_id="stored")
    [run] = wait_for_runs(1)
    assert run.message_id == "0b5dc2c9-8b3e-4f3a-9d1f-0a6f3e6f2b11"
    assert run.payload["others"] == []
    assert run.payload["sender_is_proxy"]


MALFORMED: list[tuple[Any, ...]] = [
    ("garbage",),
    ("{}",),
    (json.dumps({"v": 99, "receiver": "tests.leaves_a_row", "note": SECRET}),),
    (SECRET,),
    ({"v": 1},),
    (None,),
    (),
    ("one", "two"),
]


def test_malformed_payload_is_settled_once_as_failed(celery_setup: CeleryTestSetup) -> None:
    for arguments in MALFORMED:
        app.send_task("tests.leaves_a_row", arguments)
    message = defer(leaves_a_row, number=1)
    wait_for_runs(1, message_id=message)
    wait_for_runs(len(MALFORMED), receiver="failed")
    assert_nothing_left(celery_setup)
    failures = runs(receiver="failed")
    assert SECRET not in celery_setup.worker.logs()
    assert {run.payload["of"] for run in failures} == {"tests.leaves_a_row"}
    assert len(failures) == len(MALFORMED)


def test_worker_lists_receivers_among_its_tasks(celery_setup: CeleryTestSetup) -> None:
    replies = app.control.inspect(timeout=5, limit=1).registered() or {}
    [tasks] = replies.values()
    assert {"tests.leaves_a_row", "tests.leaves_a_row_async", "tests.recovers"} <= set(tasks)


def test_workers_log_tells_of_failures_and_no_values_of_kwargs(
    celery_setup: CeleryTestSetup,
) -> None:
    for signal in (leaves_a_row_async, recovers, never_succeeds, is_not_wanted):
        defer(signal, number=7, note=SECRET)
    wait_for_runs(1 + 3 + 4 + 2)
    assert_nothing_left(celery_setup)
    log = celery_setup.worker.logs()
    assert SECRET not in log
    assert "Receiver tests.never_succeeds failed for good: attempt 3 of 3 failed" in log
    since_its_start = celery_setup.worker.container.process.logs()
    warnings = re.findall(r"(\S+):\d+: C(?:Pending)?DeprecationWarning", since_its_start)
    # Celery gives one when it loses a broker, as the worker may have in another test.
    assert [place for place in warnings if not place.endswith("consumer/consumer.py")] == []
