"""Calls that travel in one message: failures and dead processes count for each call alone."""

from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal
from pytest_celery import CeleryTestSetup

from tests.app.fault_receivers import (
    exits,
    is_killed,
    overruns,
    recovers,
    wait_for_prefetch,
    waits_to_be_killed,
)

from .crashes import crash
from .queues import assert_nothing_left, exists, waiting
from .runs import defer, runs, wait_for_runs


def defer_together(signal: Signal, *calls: dict[str, Any]) -> list[str]:
    """Send a signal several times in one transaction, and return the messages' ids."""
    with transaction.atomic():
        return [defer(signal, **kwargs) for kwargs in calls]


def attempts(ids: list[str]) -> list[list[int]]:
    """Return the attempts of each message that a worker began, in their order."""
    return [
        [run.attempt for run in runs(message_id=message) if run.receiver != "failed"]
        for message in ids
    ]


def test_chunk_whose_process_ends_is_tried_again_call_by_call(
    celery_setup: CeleryTestSetup,
) -> None:
    """Calls that are through do not run again; those that had not begun are charged nothing."""
    chunks = [
        defer_together(signal, {"times": 0}, {"times": 1}, {"times": 0})
        for signal in (is_killed, exits, overruns)
    ]
    doomed = defer_together(is_killed, {"times": 9}, {"times": 0})
    wait_for_runs(3 * 4 + 3 + 1, timeout=30)
    assert_nothing_left(celery_setup)
    assert [attempts(chunk) for chunk in chunks] == [[[1], [1, 2], [1]]] * 3
    assert attempts(doomed) == [[1, 2], [1]]
    [failed] = runs(receiver="failed")
    assert (failed.message_id, failed.attempt) == (doomed[0], 2)
    assert failed.payload["error"] == "WorkerLostError"


def test_calls_of_a_chunk_are_tried_again_alone_as_they_came(
    celery_setup: CeleryTestSetup,
) -> None:
    ids = defer_together(recovers, {}, {}, {})
    wait_for_runs(9)
    assert_nothing_left(celery_setup)
    assert attempts(ids) == [[1, 2, 3]] * 3
    ran = runs(receiver="recovers")
    assert len(ran) == 9
    assert {(run.payload["header"], run.payload["priority"]) for run in ran} == {("blue", 3)}
    assert {run.payload["task_id"] for run in ran if run.attempt > 1} == set(ids)
    [chunk] = {run.payload["task_id"] for run in ran if run.attempt == 1}
    assert chunk not in ids
    assert f"[{chunk}] succeeded" in celery_setup.worker.logs()


@pytest.mark.worker("-P", "prefork", "-c", "1")
def test_chunk_whose_worker_dies_is_given_out_again_call_by_call_and_charged_nothing(
    celery_setup: CeleryTestSetup,
) -> None:
    ids = defer_together(waits_to_be_killed, {"times": 0}, {"times": 1}, {"times": 0})
    wait_for_runs(1, message_id=ids[1])
    wait_for_prefetch()
    crash(celery_setup)
    wait_for_runs(2 + 2 + 1)
    assert_nothing_left(celery_setup)
    # Nobody is left who knows that the first call was through.
    assert attempts(ids) == [[1, 1], [1, 1], [1]]
    assert not runs(receiver="failed")
    assert not waiting(celery_setup.app)
    assert not any(exists(celery_setup.app, f"deferred_signals.seal.{id_}.1") for id_ in ids)
