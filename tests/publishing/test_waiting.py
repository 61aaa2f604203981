"""What waits in the line: in which batches it leaves, and how much of it is kept."""

import time
from typing import Any

import pytest

from deferred_signals.conf import Settings
from deferred_signals.publishing.job import Failure, Job
from deferred_signals.publishing.patterns import Publication
from deferred_signals.publishing.waiting import MOST_BYTES, MOST_PUBLICATIONS, Waiting

AWAY = ConnectionRefusedError("nobody listens")
#: What becomes of a message that the broker surely lacks.
NOT_BEGUN = Failure(AWAY, is_certain=True)


def job_of(*payloads: str) -> Job:
    return Job([Publication(((payload,), {}, {}), {}) for payload in payloads], lambda fates: None)


def waiting_with(**limits: Any) -> Waiting:
    settings = Settings(**limits)
    return Waiting(lambda: settings)


def leave(waiting: Waiting) -> list[str]:
    """Let the next batch begin, and return its payloads."""
    batch = waiting.next_batch()
    waiting.begin(batch)
    publications: list[Any] = [entry.publication for entry in batch]
    return [publication.body[0][0] for publication in publications]


def test_jobs_that_wait_leave_together_in_their_order() -> None:
    waiting = waiting_with()
    for payloads in (("a", "b"), ("c",), ("d",)):
        waiting.add(job_of(*payloads))
    assert leave(waiting) == ["a", "b", "c", "d"]
    assert not waiting


def test_batch_is_limited_in_number_and_in_bytes_and_holds_at_least_one() -> None:
    waiting = waiting_with()
    waiting.add(job_of(*["x"] * (MOST_PUBLICATIONS + 3)))
    assert len(leave(waiting)) == MOST_PUBLICATIONS
    assert len(leave(waiting)) == 3
    waiting.add(job_of("x" * (2 * MOST_BYTES), "y"))
    assert [len(payload) for payload in leave(waiting)] == [2 * MOST_BYTES]
    assert leave(waiting) == ["y"]


def test_what_the_broker_dropped_leaves_before_all_others() -> None:
    waiting = waiting_with()
    waiting.add(job_of("a", "b", "c"))
    batch = waiting.next_batch()
    waiting.begin(batch)
    waiting.add(job_of("d"))
    waiting.begin_again(batch[1:])
    assert leave(waiting) == ["b", "c", "d"]


def kept(waiting: Waiting, job: Job) -> Job:
    waiting.add(job)
    waiting.keep(job, AWAY)
    return job


@pytest.mark.parametrize(
    ("limits", "says"),
    [({"KEEP_MESSAGES": 3}, "KEEP_MESSAGES (3)"), ({"KEEP_BYTES": 3}, "KEEP_BYTES (3)")],
    ids=["number", "bytes"],
)
def test_what_exceeds_a_limit_is_given_up_and_what_was_kept_stays(
    limits: dict[str, int], says: str
) -> None:
    waiting = waiting_with(**limits)
    first = kept(waiting, job_of("a", "b"))
    fates = kept(waiting, job_of("c", "d")).take()
    assert all(says in str(fate) and "nobody listens" in str(fate) for fate in fates.values())
    assert len(fates) == 2
    assert not first.is_done
    assert kept(waiting, job_of("e")).take() == {}
    assert leave(waiting) == ["a", "b", "e"]


def test_room_is_there_again_when_what_was_kept_has_left() -> None:
    waiting = waiting_with(KEEP_MESSAGES=2)
    for _ in range(3):
        assert kept(waiting, job_of("a", "b")).take() == {}
        leave(waiting)


def test_what_is_full_takes_no_longer_the_more_is_kept() -> None:
    def seconds(count: int) -> float:
        waiting = waiting_with(KEEP_MESSAGES=count)
        for _ in range(count):
            kept(waiting, job_of("a"))
        jobs = [job_of("b") for _ in range(50)]
        began = time.perf_counter()
        for job in jobs:
            kept(waiting, job)
            waiting.give_up_late(AWAY)
        return time.perf_counter() - began

    few, many = (min(seconds(count) for _ in range(3)) for count in (10, 10_000))
    assert many < 10 * few


def test_job_that_is_given_up_waits_no_more() -> None:
    waiting = waiting_with()
    job = job_of("a")
    waiting.add(job)
    waiting.end(job, AWAY)
    assert not waiting
    assert job.take() == {0: NOT_BEGUN}


def test_job_that_was_given_up_elsewhere_is_passed_over() -> None:
    waiting = waiting_with()
    given_up = job_of("a")
    waiting.add(given_up)
    waiting.add(job_of("b"))
    given_up.end(AWAY)
    assert leave(waiting) == ["b"]
    assert not waiting


def test_what_was_kept_and_begins_again_is_given_up_late_as_before() -> None:
    waiting = waiting_with(KEEP_FOR=1e-9)
    late = kept(waiting, job_of("a", "b"))
    batch = waiting.next_batch()
    waiting.begin(batch)
    assert waiting.give_up_late(AWAY) == []
    waiting.begin_again(batch[1:])
    assert waiting.give_up_late(AWAY) == [late]
    assert late.take() == {1: NOT_BEGUN}
    assert not waiting


def test_nothing_is_kept_where_the_settings_say_so() -> None:
    waiting = waiting_with(KEEP_FOR=0)
    assert kept(waiting, job_of("a")).take() == {0: NOT_BEGUN}
    assert not waiting


def test_what_was_kept_too_long_is_given_up_and_nothing_else() -> None:
    waiting = waiting_with(KEEP_FOR=1e-9)
    late, awaited = kept(waiting, job_of("a")), job_of("b")
    waiting.add(awaited)
    assert waiting.give_up_late(AWAY) == [late]
    assert late.take() == {0: NOT_BEGUN}
    assert leave(waiting) == ["b"]


@pytest.mark.parametrize("tell", [True, False])
def test_what_is_dropped_at_the_end_of_a_test_is_told_where_that_is_wanted(tell: bool) -> None:
    told: list[object] = []
    waiting = waiting_with()
    job = Job([Publication((("a",), {}, {}), {})], told.append)
    kept(waiting, job)
    job.take()
    for dropped in waiting.drop_kept(AWAY, tell=tell):
        dropped.tell()
    assert told == ([{0: NOT_BEGUN}] if tell else [])
    assert not waiting
