"""The modes of `deferred_signals.testing`, in a plain `TestCase` transaction."""

import asyncio
import unittest
from threading import Thread
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.db import connection, connections, transaction
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from deferred_signals.testing import Call, all_deferred, assert_deferred, inline, manual, settings
from tests.app.models import Order
from tests.support.connected import Connected
from tests.support.recorder import Recorder
from tests.support.unittest_cases import close_connections, run_tests_of

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def test_inline_runs_when_the_block_of_the_code_under_test_ends(
    signal: Signal, recorder: Recorder
) -> None:
    with inline(), transaction.atomic():
        signal.send(None, number=1)
        assert recorder.calls == []
    assert recorder.kwargs == [{"number": 1}]


def test_manual_collects_what_is_committed_and_runs_nothing(
    signal: Signal, recorder: Recorder
) -> None:
    with manual() as deferred:
        with transaction.atomic():
            signal.send(None, number=1)
            assert deferred.all_deferred() == []
        assert [call.kwargs for call in deferred.all_deferred()] == [{"number": 1}]
    assert recorder.calls == []


def test_manual_honours_a_rollback(signal: Signal, recorder: Recorder) -> None:
    with manual() as deferred:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            signal.send(None, number=1)
            raise ZeroDivisionError
        deferred.refute_deferred(recorder)


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_manual_collects_from_all_databases_after_real_commits(
    signal: Signal, recorder: Recorder
) -> None:
    with manual() as deferred:
        with transaction.atomic(using="other"):
            signal.send(None, number=1, using="other")
        with transaction.atomic():
            signal.send(None, number=2)
        assert [call.using for call in deferred.all_deferred()] == ["other", "default"]
    assert all(not connection.run_on_commit for connection in connections.all())


def test_innermost_mode_counts(signal: Signal, recorder: Recorder) -> None:
    with manual() as deferred:
        with inline():
            signal.send(None, number=1)
        assert recorder.kwargs == [{"number": 1}]
        signal.send(None, number=2)
    assert [call.kwargs for call in deferred.all_deferred()] == [{"number": 2}]


def test_manual_decorates_an_async_test(signal: Signal, recorder: Recorder) -> None:
    @manual()
    async def scenario() -> None:
        await signal.asend(None, number=1)

    async_to_sync(scenario)()
    assert recorder.calls == []


def test_settings_changes_single_keys() -> None:
    with settings(MAX_DEPTH=3), settings(EAGER=True):
        assert django_settings.DEFERRED_SIGNALS == {"MAX_DEPTH": 3, "EAGER": True}


def test_modes_end_in_the_order_they_began(signal: Signal, recorder: Recorder) -> None:
    with inline():
        with manual() as deferred:
            with inline():
                pass
            signal.send(None, number=1)
            assert recorder.calls == []
        signal.send(None, number=2)
    assert recorder.kwargs == [{"number": 2}]
    assert [call.kwargs for call in deferred.all_deferred()] == [{"number": 1}]


def test_mode_decorates_the_tests_of_a_django_test_case(signal: Signal, recorder: Recorder) -> None:
    @manual()
    class Tests(TestCase):
        def setUp(self) -> None:
            signal.send(None, number=1)
            self.addCleanup(assert_deferred, recorder, number=2)

        def test_something(self) -> None:
            signal.send(None, number=2)
            assert [call.kwargs["number"] for call in all_deferred()] == [1, 2]

        async def test_something_async(self) -> None:
            await signal.asend(None, number=2)
            assert [call.kwargs["number"] for call in all_deferred()] == [1, 2]

    run_tests_of(Tests)
    assert recorder.calls == []


def test_mode_decorates_the_tests_of_an_asyncio_test_case(
    signal: Signal, recorder: Recorder
) -> None:
    @inline()
    class Tests(unittest.IsolatedAsyncioTestCase):
        async def test_something(self) -> None:
            self.addAsyncCleanup(close_connections)
            await signal.asend(None, number=1)

    run_tests_of(Tests)
    assert recorder.kwargs == [{"number": 1}]


def test_mode_decorates_the_methods_of_a_plain_class(signal: Signal, recorder: Recorder) -> None:
    @manual()
    class TestOrders:
        number = 1

        def test_sync(self) -> None:
            signal.send(None, number=self.number)
            assert_deferred(recorder, number=1)

        async def test_async(self) -> None:
            await signal.asend(None, number=self.number)
            assert_deferred(recorder, number=1)

    TestOrders().test_sync()
    async_to_sync(TestOrders().test_async)()
    assert recorder.calls == []


def test_mode_decorates_a_method(signal: Signal, recorder: Recorder) -> None:
    class TestOrders:
        @manual()
        def test_sync(self, number: int) -> Call:
            signal.send(None, number=number)
            return assert_deferred(recorder)

    assert TestOrders().test_sync(7).kwargs == {"number": 7}


def test_decorated_function_collects_anew_at_each_call(signal: Signal, recorder: Recorder) -> None:
    @manual()
    def scenario() -> int:
        signal.send(None)
        return len(all_deferred())

    assert (scenario(), scenario()) == (1, 1)


def test_tests_that_run_at_once_do_not_end_one_another(signal: Signal, recorder: Recorder) -> None:
    began = asyncio.Event()

    @manual()
    async def first() -> None:
        began.set()
        await asyncio.sleep(0)

    @manual()
    async def second() -> None:
        await began.wait()
        await signal.asend(None, number=1)

    async def both() -> None:
        await asyncio.gather(first(), second())

    async_to_sync(both)()
    assert recorder.calls == []


def test_sends_of_other_threads_are_collected(signal: Signal, recorder: Recorder) -> None:
    def work(number: int) -> None:
        for step in range(20):
            signal.send(None, number=number, step=step)
        connections.close_all()  # a thread has its own, which a send outside of a block opens

    with manual() as deferred:
        threads = [Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        found = 0
        while any(thread.is_alive() for thread in threads):
            found += len(deferred.run_deferred())
        for thread in threads:
            thread.join()
        found += len(deferred.run_deferred())
    assert found == len(recorder.calls) == 160


def test_query_counts_of_the_code_under_test_stay_as_they_are(
    defer: Connected, django_assert_num_queries: Any
) -> None:
    def place_order() -> None:
        with transaction.atomic():
            Order.objects.create()

    with CaptureQueriesContext(connection) as alone:
        place_order()
    defer(post_save, sender=Order)(Recorder())
    with manual() as deferred, django_assert_num_queries(len(alone)):
        place_order()
        assert len(deferred.all_deferred()) == 1
    with django_assert_num_queries(len(alone)):
        place_order()  # in no mode: its message waits for the commit
