"""A job of the line's: which publications have begun, and when their fates are told, once each."""

import threading
from collections.abc import Mapping
from contextvars import ContextVar

import pytest

from deferred_signals.publishing.job import Failure, Job
from deferred_signals.publishing.patterns import Publication

request_id: ContextVar[str] = ContextVar("request_id", default="none")
SILENCE = TimeoutError("the broker gave no answer")
LOST = Failure(SILENCE)


class Hearing:
    """What a job tells later, and in which context."""

    def __init__(self) -> None:
        self.told: list[Mapping[int, Failure | None]] = []
        self.contexts: list[str] = []

    def __call__(self, fates: Mapping[int, Failure | None]) -> None:
        self.told.append(dict(fates))
        self.contexts.append(request_id.get())


def job_of(count: int, hearing: Hearing | None = None) -> Job:
    return Job(
        [Publication(((f"{place}",), {}, {}), {}) for place in range(count)], hearing or Hearing()
    )


def test_fates_that_are_known_when_the_commit_goes_on_are_taken_and_not_told() -> None:
    hearing = Hearing()
    job = job_of(2, hearing)
    job.begin(2)
    job.settle(0, None)
    assert job.take() == {0: None}
    job.tell()
    assert hearing.told == []
    job.settle(1, LOST)
    job.tell()
    job.tell()
    assert hearing.told == [{1: LOST}]


def test_later_fates_are_told_in_the_context_of_the_send() -> None:
    hearing = Hearing()
    token = request_id.set("r7")
    job = job_of(1, hearing)
    request_id.reset(token)
    job.take()
    job.settle(0, None)
    job.tell()
    assert hearing.contexts == ["r7"]


def test_first_fate_of_a_publication_counts() -> None:
    job = job_of(1)
    job.settle(0, LOST)
    job.settle(0, None)
    assert job.take() == {0: LOST}


@pytest.mark.parametrize(("begun", "given_up"), [(True, {0, 1, 2}), (False, {2})])
def test_what_is_given_up_may_leave_what_is_on_its_way(begun: bool, given_up: set[int]) -> None:
    job = job_of(3)
    job.begin(2)
    job.end(SILENCE, begun=begun)
    fates = job.take()
    assert fates.keys() == given_up
    # What was written may have arrived. What was not, has not.
    assert all(fate == (SILENCE, place == 2) for place, fate in fates.items())
    assert len(job.not_begun) == 0
    assert job.is_done is begun


def test_publications_that_the_broker_dropped_wait_again() -> None:
    job = job_of(4)
    job.begin(4)
    job.settle(0, None)
    job.begin_again(2)
    assert list(job.not_begun) == [2, 3]
    assert job.size == 2


def test_commit_waits_until_all_is_known_or_it_is_let_go() -> None:
    job = job_of(1)
    assert not job.wait(0)
    threading.Timer(0.05, job.let_go).start()
    assert not job.wait(60)
    threading.Timer(0.05, job.settle, (0, None)).start()
    assert job.wait(60)


def test_job_that_is_forgotten_tells_nothing() -> None:
    hearing = Hearing()
    job = job_of(1, hearing)
    job.take()
    job.forget()
    job.end(SILENCE)
    job.tell()
    assert hearing.told == []
