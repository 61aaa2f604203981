"""`DeferredSignalsMixin`, in Django's test cases and asyncio's."""

import unittest
from typing import Any

import pytest
from django.dispatch import Signal
from django.test import TestCase, TransactionTestCase

from deferred_signals.testing import DeferredSignalsMixin, LeakWarning
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.recorder import Recorder
from tests.support.unittest_cases import close_connections, run_tests_of

pytestmark = pytest.mark.django_db(transaction=True)

signal = Signal()


@pytest.mark.parametrize(
    "base",
    [TestCase, TransactionTestCase, unittest.IsolatedAsyncioTestCase, unittest.TestCase],
    ids=lambda base: f"{base.__module__}.{base.__name__}",
)
def test_messages_are_collected(base: Any, defer: Connected) -> None:
    recorder = Recorder()
    defer(signal)(recorder)

    class Tests(DeferredSignalsMixin, base):  # type: ignore[misc]
        def setUp(self) -> None:
            super().setUp()
            signal.send(None, number=1)

        async def asyncTearDown(self) -> None:
            await close_connections()

        def test_sync(self) -> None:
            signal.send(None, number=2)
            self.deferred.assert_deferred(recorder, number=1)
            assert len(self.deferred.run_deferred()) == 2

        if base is not unittest.TestCase:

            async def test_async(self) -> None:
                await signal.asend(None, number=2)
                assert len(self.deferred.all_deferred()) == 2

    run_tests_of(Tests)
    assert len(recorder.calls) == 2


def test_receivers_run_inline(defer: Connected) -> None:
    recorder = Recorder()
    defer(signal)(recorder)

    class Tests(DeferredSignalsMixin, TestCase):
        deferred_mode = "inline"

        def test_something(self) -> None:
            signal.send(None, number=1)
            assert recorder.kwargs == [{"number": 1}]
            assert self.deferred.all_deferred() == []

    run_tests_of(Tests)


def test_leak_is_told_as_the_class_says(defer: Connected) -> None:
    recorder = Recorder()
    defer(signal)(recorder)

    class Tests(DeferredSignalsMixin, TestCase):
        def test_something(self) -> None:
            signal.send(None, number=1)

    with pytest.warns(LeakWarning, match=r"number=1\)"):
        run_tests_of(Tests)
    Tests.deferred_leaks = "fail"
    with pytest.raises(AssertionError, match="neither run nor looked at"):
        run_tests_of(Tests)


def test_messages_of_the_live_mode_are_published(defer: Connected, broker: Broker) -> None:
    defer(signal)(Recorder())

    class Tests(DeferredSignalsMixin, TransactionTestCase):
        deferred_mode = "live"

        def test_something(self) -> None:
            signal.send(None, number=1)
            assert self.deferred.all_deferred() == []

    run_tests_of(Tests)
    assert [message.kwargs for message in broker.take()] == [{"number": 1}]
