"""The harness itself, tested with plain Celery tasks, without the library."""

import os
from collections.abc import Callable

import pytest
from pytest_celery import CeleryTestSetup

from tests.app.models import Run
from tests.app.tasks import leave_a_row
from tests.support.processes import wait_until

from .nodes import LocalWorker
from .runs import wait_for_runs


def test_worker_ends_with_its_children_and_leaves_nothing_to_the_next_test(
    celery_setup: CeleryTestSetup,
) -> None:
    assert not Run.objects.exists()
    leave_a_row.delay(1)
    [run] = wait_for_runs(1)
    celery_setup.worker.kill()
    wait_until(lambda: not alive(run.pid), 5, "the child ends")
    for number in range(5):
        leave_a_row.delay(number)


@pytest.mark.worker("-P", "solo")
def test_mark_chooses_the_options_of_the_worker_and_a_second_one_can_be_started(
    celery_setup: CeleryTestSetup, spawn_worker: Callable[..., LocalWorker]
) -> None:
    other = spawn_worker("-P", "solo", "-Q", "other")
    leave_a_row.delay(1)
    leave_a_row.apply_async((2,), queue="other")
    ran = wait_for_runs(2)
    assert {run.payload["number"]: run.pid for run in ran} == {
        1: celery_setup.worker.container.process.pid,
        2: other.process.pid,
    }


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
