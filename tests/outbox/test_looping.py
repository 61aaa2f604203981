"""The threads of a worker's parent: they survive whatever their work raises."""

import logging
import threading
from collections.abc import Iterator

import pytest

from deferred_signals.outbox import looping
from deferred_signals.outbox.looping import Loop
from tests.support.processes import wait_until

from .rows import logged


class Work:
    """Does what a test says, once a call, and counts."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.calls = 0
        self.wait = 60.0
        self.loop = Loop("tests.loop", self)

    def __call__(self) -> float:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.wait

    def wait_for(self, calls: int) -> None:
        wait_until(lambda: self.calls >= calls, 10, f"{calls} calls")


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    monkeypatch.setattr(looping, "PAUSE", 0.01)
    found = Work()
    yield found
    found.loop.stop(10)


def test_work_is_done_again_after_its_wait(work: Work) -> None:
    work.wait = 0.01
    work.loop.start()
    work.wait_for(3)


def test_errors_are_survived_and_told_once_a_series(
    work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    work.errors = [ValueError("first"), ValueError("second"), ValueError("third")]
    work.loop.start()
    work.wait_for(4)
    (told,) = logged(caplog, logging.WARNING)
    assert "ValueError: first" in told
    work.errors = [KeyError("other")]
    work.loop.ring()
    work.wait_for(6)
    assert len(logged(caplog, logging.WARNING)) == 2


def test_ring_ends_the_wait(work: Work) -> None:
    work.loop.start()
    work.wait_for(1)
    for calls in range(2, 20):
        work.loop.ring()
        work.wait_for(calls)


def test_thread_is_started_once_and_again_when_it_has_ended(work: Work) -> None:
    def count() -> int:
        return [thread.name for thread in threading.enumerate()].count("tests.loop")

    work.loop.start()
    work.loop.start()
    assert count() == 1
    work.loop.stop(10)
    assert count() == 0
    calls = work.calls
    work.loop.start()
    work.wait_for(calls + 1)
