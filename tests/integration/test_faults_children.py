"""The process of a run dies, and its worker lives on: that uses up one attempt."""

from pytest_celery import CeleryTestSetup

from tests.app.fault_receivers import exits, is_killed, leaves_a_row, overruns

from .queues import assert_nothing_left
from .runs import assert_no_more_runs, defer, runs, wait_for_runs

# What the runs do to their processes, and what the failure is called then.
ENDS = {
    "is_killed": (is_killed, "WorkerLostError"),
    "overruns": (overruns, "TimeLimitExceeded"),
    "exits": (exits, "SystemExit"),
}


def attempts_of(message_id: str, receiver: str) -> list[int]:
    return [run.attempt for run in runs(message_id=message_id, receiver=receiver)]


def test_run_whose_process_ends_is_tried_again_under_its_id(celery_setup: CeleryTestSetup) -> None:
    ids = {name: defer(signal, times=1) for name, (signal, _) in ENDS.items()}
    neighbours = [defer(leaves_a_row, number=number) for number in range(5)]
    wait_for_runs(6 + 5)
    assert_nothing_left(celery_setup)
    assert {name: attempts_of(ids[name], name) for name in ids} == {name: [1, 2] for name in ids}
    assert all(attempts_of(message, "leaves_a_row") == [1] for message in neighbours)
    assert len(runs()) == 6 + 5


def test_message_whose_runs_all_end_their_process_fails_after_its_last_attempt(
    celery_setup: CeleryTestSetup,
) -> None:
    ids = {name: defer(signal, times=9) for name, (signal, _) in ENDS.items()}
    wait_for_runs(3, receiver="failed")
    assert_nothing_left(celery_setup)
    assert {name: attempts_of(ids[name], name) for name in ids} == {name: [1, 2] for name in ids}
    failures = {run.message_id: (run.attempt, run.payload) for run in runs(receiver="failed")}
    assert failures == {
        ids[name]: (
            2,
            {"of": f"tests.{name}", "error": error, "reason": "attempt 2 of 2 failed"},
        )
        for name, (_, error) in ENDS.items()
    }
    assert len(runs(receiver="failed")) == 3


def test_run_that_an_operator_terminates_is_not_tried_again(celery_setup: CeleryTestSetup) -> None:
    message = defer(overruns, times=9)
    wait_for_runs(1, message_id=message)
    celery_setup.app.control.revoke(message, terminate=True)
    celery_setup.worker.wait_for_log("Terminating")
    assert_nothing_left(celery_setup)
    assert_no_more_runs(1, seconds=0.5)
