"""A whole worker dies: messages that it only held lose no attempt, and one that kills workers ends."""

import pytest
from pytest_celery import CeleryTestSetup

from tests.app.fault_receivers import (
    asks_for_later,
    leaves_a_row,
    takes_its_time,
    takes_its_worker_down,
    wait_for_prefetch,
    waits_to_be_killed,
)
from tests.app.models import Run

from .crashes import Supervisor, crash
from .queues import assert_nothing_left, exists, held, waiting
from .runs import assert_no_more_runs, defer, runs, wait_for_runs

# One child, so that what runs and what is only prefetched is no matter of chance.
pytestmark = pytest.mark.worker("-P", "prefork", "-c", "1")

NEIGHBOURS = 3  # with the one that runs, as many as the worker prefetches


def defer_neighbours() -> list[str]:
    return [defer(leaves_a_row, number=number) for number in range(NEIGHBOURS)]


def assert_neighbours_ran_once(neighbours: list[str]) -> None:
    ran = runs(receiver="leaves_a_row")
    assert sorted(run.message_id for run in ran) == sorted(neighbours)
    assert {run.attempt for run in ran} == {1}


def assert_no_seals_left(setup: CeleryTestSetup, messages: list[str]) -> None:
    """Assert that the queues that mark messages as not yet run are gone with them."""
    for message in messages:
        for redeliveries in range(5):
            assert not exists(setup.app, f"deferred_signals.seal.{message}.{redeliveries}")


def test_worker_that_is_killed_loses_nothing_and_charges_nobody(
    celery_setup: CeleryTestSetup,
) -> None:
    running = defer(waits_to_be_killed)
    neighbours = defer_neighbours()
    wait_for_runs(1, message_id=running)
    wait_for_prefetch()
    crash(celery_setup)
    wait_for_runs(2 + NEIGHBOURS)
    assert_nothing_left(celery_setup)
    assert_neighbours_ran_once(neighbours)
    assert [run.attempt for run in runs(message_id=running)] == [1, 1]
    assert not runs(receiver="failed")
    assert_no_seals_left(celery_setup, [running, *neighbours])


def test_message_that_takes_workers_down_ends_as_failed_and_its_neighbours_run(
    celery_setup: CeleryTestSetup,
) -> None:
    poisonous = defer(takes_its_worker_down)
    neighbours = defer_neighbours()
    with Supervisor(celery_setup) as supervisor:
        wait_for_runs(1, receiver="failed", timeout=60)
        wait_for_runs(NEIGHBOURS, receiver="leaves_a_row")
        assert_nothing_left(celery_setup)
    assert supervisor.restarts == 3
    [failed] = runs(receiver="failed")
    assert failed.message_id == poisonous
    assert failed.payload["error"] == "RedeliveredTooOften"
    assert [run.attempt for run in runs(receiver="takes_its_worker_down")] == [1, 1, 1]
    assert_neighbours_ran_once(neighbours)
    assert_no_seals_left(celery_setup, [poisonous, *neighbours])


def test_worker_that_is_restarted_loses_nothing_and_runs_nothing_twice(
    celery_setup: CeleryTestSetup,
) -> None:
    later = defer(asks_for_later, after=1)
    running = defer(takes_its_time, seconds=0.5)
    neighbours = defer_neighbours()
    wait_for_runs(1, message_id=running)
    celery_setup.worker.restart()
    wait_for_runs(NEIGHBOURS, receiver="leaves_a_row")
    assert len(runs(message_id=running)) == 1
    assert Run.objects.filter(receiver="took_its_time").count() == 1
    assert_neighbours_ran_once(neighbours)
    wait_for_runs(2, message_id=later)
    assert [run.attempt for run in runs(message_id=later)] == [1, 2]
    assert_nothing_left(celery_setup)
    celery_setup.worker.kill()
    assert_no_more_runs(2 + 2 + NEIGHBOURS, seconds=0.3)
    assert not waiting(celery_setup.app)
    assert not held(celery_setup)
