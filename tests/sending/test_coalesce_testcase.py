"""Coalescing where a test's own transaction never commits, in each mode that a test may choose."""

from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal
from pytest_django import DjangoCaptureOnCommitCallbacks

from deferred_signals.testing import inline, manual, settings
from tests.sending.test_commit import Stop, roll_back
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.recorder import Recorder, listen

pytestmark = pytest.mark.django_db


@pytest.fixture
def ran(signal: Signal, defer: Connected) -> Recorder:
    """Record the calls of a receiver whose sends are coalesced."""
    return listen(defer, signal, coalesce=lambda sender, key, **kwargs: key)


def told(recorder: Recorder) -> list[set[int]]:
    """Return the numbers of the sends that each call stands for."""
    return [call["update_fields"] for call in recorder.calls]


def work(signal: Signal) -> None:
    """Code under test: of its sends the first and the last survive, and one of another key."""
    with transaction.atomic():
        signal.send(None, key=1, update_fields={1})
        with pytest.raises(Stop), transaction.atomic():
            signal.send(None, key=1, update_fields={2})
            roll_back()
        signal.send(None, key=2, update_fields={3})
        with transaction.atomic():
            signal.send(None, key=1, update_fields={4})


def test_inline_runs_what_survives_as_one(signal: Signal, ran: Recorder) -> None:
    with inline():
        work(signal)
    assert told(ran) == [{3}, {1, 4}]


def test_merged_message_is_signed_anew(signal: Signal, ran: Recorder) -> None:
    with settings(SIGNING=True), inline():
        work(signal)
    assert told(ran) == [{3}, {1, 4}]


def test_manual_collects_what_survives_as_one(signal: Signal, ran: Recorder) -> None:
    with manual() as deferred:
        work(signal)
        assert ran.calls == []
        calls = deferred.all_deferred()
    assert [call.kwargs["update_fields"] for call in calls] == [{3}, {1, 4}]


def test_blocks_of_the_code_under_test_stay_apart(signal: Signal, ran: Recorder) -> None:
    with inline():
        work(signal)
        work(signal)
    assert told(ran) == [{3}, {1, 4}, {3}, {1, 4}]


def test_sends_with_no_block_open_run_at_once(signal: Signal, ran: Recorder) -> None:
    with inline():
        for number in (1, 2):
            signal.send(None, key=1, update_fields={number})
    assert told(ran) == [{1}, {2}]


def test_captured_hooks_publish_what_survives_as_one(
    signal: Signal,
    ran: Recorder,
    broker: Broker,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def published() -> list[Any]:
        return [message.kwargs["update_fields"] for message in broker.take()]

    signal.send(None, key=1, update_fields={0})  # of no capture
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            work(signal)
            assert published() == []
        assert published() == [{3}, {1, 4}]


def test_sends_from_a_captured_hook_are_merged_with_one_another(
    signal: Signal,
    ran: Recorder,
    broker: Broker,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def send(*numbers: int) -> None:
        for number in numbers:
            signal.send(None, key=1, update_fields={number})

    with django_capture_on_commit_callbacks(execute=True):
        send(1)
        transaction.on_commit(lambda: send(2, 3))
    assert [message.kwargs["update_fields"] for message in broker.take()] == [{1}, {2, 3}]
