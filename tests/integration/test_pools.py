"""A worker whose pool has no children: receivers run in its own process."""

from collections import Counter

import pytest
from pytest_celery import CeleryTestSetup

from tests.app.fault_receivers import exits, leaves_a_row, leaves_a_row_async, recovers

from .queues import assert_nothing_left
from .runs import defer, runs, wait_for_runs


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param(pool, marks=pytest.mark.worker("-P", pool, "-c", "2"))
        for pool in ("solo", "threads")
    ],
)
@pytest.mark.usefixtures("pool")
def test_receiver_runs_in_a_pool_without_children_and_cannot_leave_it(
    celery_setup: CeleryTestSetup,
) -> None:
    messages = {defer(leaves_a_row, number=1), defer(leaves_a_row_async, number=2)}
    recovering = defer(recovers)
    leaving = defer(exits, times=1)
    wait_for_runs(2 + 3 + 2)
    assert_nothing_left(celery_setup)
    assert {run.pid for run in runs()} == {celery_setup.worker.container.process.pid}
    assert {run.message_id for run in runs()} == {*messages, recovering, leaving}
    assert [run.attempt for run in runs(message_id=leaving)] == [1, 2]


@pytest.mark.worker("-P", "gevent", "-c", "4")
def test_receiver_runs_in_a_pool_of_greenlets_which_have_no_event_loop(
    celery_setup: CeleryTestSetup,
) -> None:
    messages = {defer(leaves_a_row, number=number) for number in range(10)}
    recovering = {defer(recovers) for _ in range(5)}
    leaving = defer(exits, times=1)
    is_async = defer(leaves_a_row_async, number=2)
    [failed] = wait_for_runs(1, timeout=20, receiver="failed")
    assert (failed.message_id, failed.payload["error"]) == (is_async, "InvalidReceiver")
    wait_for_runs(10 + 5 * 3 + 2 + 1)
    assert_nothing_left(celery_setup)
    assert Counter(run.message_id for run in runs(receiver="leaves_a_row")) == Counter(messages)
    assert Counter(run.message_id for run in runs(receiver="recovers")) == Counter(
        [*recovering] * 3
    )
    assert [run.attempt for run in runs(message_id=leaving)] == [1, 2]
