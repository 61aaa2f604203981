"""`fake_crash`: a process dies, and the message is lost or runs again, as promised."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.dispatch import Signal

from deferred_signals import Retry
from deferred_signals.testing import FakeCrash, fake_crash, inline, manual
from tests.app.models import Order
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.recorder import Recorder

from .conftest import commits

pytestmark = pytest.mark.django_db


@commits
@pytest.mark.parametrize("mode", [manual, inline])
def test_crash_before_publishing_loses_the_message_and_keeps_the_row(
    mode: Any, in_testcase: bool, defer: Connected
) -> None:
    assert connection.in_atomic_block is in_testcase
    recorder = Recorder()
    defer(post_save, sender=Order)(recorder)
    with mode():
        with fake_crash(at="publish"):
            with transaction.atomic():
                Order.objects.create()
            pytest.fail("the process had died before")
        assert Order.objects.count() == 1
        assert not connection.in_atomic_block or not connection.needs_rollback
        with manual() as deferred:
            Order.objects.create()
            deferred.run_deferred()
    assert len(recorder.calls) == 1


def test_code_under_test_cannot_outlive_the_crash(signal: Signal, recorder: Recorder) -> None:
    with manual() as deferred:
        with fake_crash(at="publish"):
            try:
                signal.send(None)
            except Exception:  # noqa: BLE001 - as a robust sender does
                pytest.fail("no process lives on to handle its death")
        deferred.refute_deferred(recorder)


def test_crash_of_a_child_uses_up_an_attempt(
    signal: Signal, defer: Connected, lifecycle: Lifecycle
) -> None:
    recorder = Recorder()
    defer(signal, retry=Retry(max_attempts=3, wait_initial=5, wait_jitter=0))(recorder)
    with manual() as deferred:
        signal.send(None, number=1)
        with fake_crash(at="run"):
            (ran,) = deferred.run_deferred(waits=[5])
    assert (ran.attempts, ran.outcome, recorder.attempts) == (2, "succeeded", [1, 2])
    assert lifecycle.names == [
        "receiver_started",
        "receiver_retrying",
        "receiver_started",
        "receiver_succeeded",
    ]


def test_crash_of_a_child_ends_a_message_that_has_one_attempt(
    signal: Signal, defer: Connected
) -> None:
    recorder = Recorder()
    defer(signal, retry=None)(recorder)
    with manual() as deferred:
        signal.send(None)
        with fake_crash(at="run"):
            (ran,) = deferred.run_deferred()
    assert (ran.attempts, ran.outcome, type(ran.exception)) == (1, "failed", FakeCrash)


def test_crash_of_a_whole_worker_uses_up_none(signal: Signal, defer: Connected) -> None:
    recorder = Recorder()
    defer(signal, retry=None)(recorder)
    with manual() as deferred:
        signal.send(None, number=1)
        signal.send(None, number=2)
        with fake_crash(at="settle"):
            first, second = deferred.run_deferred(waits=[])
    assert [call["number"] for call in recorder.calls] == [1, 2, 1, 2]
    assert recorder.attempts == [1, 1, 1, 1]
    assert (first.outcome, second.outcome) == ("succeeded", "succeeded")


@pytest.mark.parametrize("at", ["send", "publish", "claim", "run", "settle"])
def test_block_in_which_nothing_crashed_is_an_error(at: Any, signal: Signal) -> None:
    with pytest.raises(AssertionError, match=f"no message reached '{at}'"), fake_crash(at=at):
        signal.send(None)  # to nobody


def test_error_of_the_block_is_not_hidden(signal: Signal) -> None:
    with pytest.raises(ZeroDivisionError), fake_crash(at="run"):
        raise ZeroDivisionError


def test_unknown_place_is_refused() -> None:
    with pytest.raises(ValueError, match="one of 'send', 'publish', 'claim', 'run', 'settle', got"):
        fake_crash(at="encode")  # type: ignore[arg-type]
