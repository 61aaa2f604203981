"""`deferred_signals.testing`: modes and assertions, in a plain `TestCase` transaction."""

import re
from typing import Any
from unittest.mock import ANY

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.db import connections, transaction
from django.db.models.signals import post_save
from django.dispatch import Signal

from deferred_signals import Discard, Retry
from deferred_signals.testing import inline, manual, settings
from tests.app.models import Order
from tests.conftest import Connected, running

pytestmark = pytest.mark.django_db(databases=["default", "other"])


class Recorder:
    """A receiver that notes its calls, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[dict[str, Any]] = []
        self.attempts: list[int] = []
        self.failures = failures

    def receive(self, sender: object, **kwargs: Any) -> None:
        del kwargs["signal"]
        self.calls.append(kwargs)
        self.attempts.append(running().attempt)
        if len(self.calls) <= self.failures:
            raise ConnectionError("the mail server is away")


@pytest.fixture
def recorder(signal: Signal, defer: Connected) -> Recorder:
    made = Recorder()
    defer(signal)(made.receive)
    return made


def test_inline_runs_when_the_block_of_the_code_under_test_ends(
    signal: Signal, recorder: Recorder
) -> None:
    with inline(), transaction.atomic():
        signal.send(None, number=1)
        assert recorder.calls == []
    assert recorder.calls == [{"number": 1}]


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
        deferred.refute_deferred(recorder.receive)


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
        assert recorder.calls == [{"number": 1}]
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


def test_assertion_matches_some_kwargs_by_equality_or_by_function(
    signal: Signal, recorder: Recorder
) -> None:
    with manual() as deferred:
        signal.send(None, number=7, name="Ada")
        assert deferred.assert_deferred(recorder.receive, number=7).kwargs["name"] == "Ada"
        deferred.assert_deferred(recorder.receive, number=ANY, name=lambda name: name[0] == "A")
        deferred.refute_deferred(recorder.receive, number=8)


def test_row_in_a_message_equals_its_instance_without_a_query(
    defer: Connected, django_assert_num_queries: Any
) -> None:
    recorder = Recorder()
    defer(post_save, sender=Order)(recorder.receive)
    with manual() as deferred:
        order = Order.objects.create()
        with django_assert_num_queries(0):
            deferred.assert_deferred(recorder.receive, instance=order, created=True)
            deferred.refute_deferred(recorder.receive, instance=Order(pk=order.pk + 1))


def test_failed_assertion_shows_what_was_deferred_instead_nearest_first(
    signal: Signal, recorder: Recorder, defer: Connected
) -> None:
    other = Recorder()
    defer(signal, name="tests.other")(other.receive)
    with manual() as deferred:
        signal.send(None, number=1, name="Ada")
        signal.send(None, number=2, name="Bob")
        with pytest.raises(AssertionError) as failed:
            deferred.assert_deferred(recorder.receive, number=2, name="Eve")
    first, second, third, *_ = str(failed.value).splitlines()[1:]
    assert re.search(r"number=2, name='Bob'\)  <- name='Bob'$", first)
    assert re.search(r"number=1, name='Ada'\)  <- number=1, name='Ada'$", second)
    assert "tests.other" in third


def test_assertion_says_that_nothing_was_deferred(recorder: Recorder) -> None:
    with manual() as deferred, pytest.raises(AssertionError, match="Nothing was"):
        deferred.assert_deferred(recorder.receive)


def test_collected_messages_run_through_all_retries_by_a_clock_of_their_own(
    signal: Signal, defer: Connected
) -> None:
    recorder = Recorder(failures=2)
    policy = Retry(max_attempts=5, wait_initial=60, wait_jitter=0, timeout=3600)
    defer(signal, retry=policy)(recorder.receive)
    with manual() as deferred:
        signal.send(None, number=1)
        (ran,) = deferred.run_deferred(waits=[60, 120])
    assert (ran.attempts, ran.outcome, recorder.attempts) == (3, "succeeded", [1, 2, 3])


def test_retries_end_with_the_timeout_of_the_policy(signal: Signal, defer: Connected) -> None:
    recorder = Recorder(failures=99)
    policy = Retry(max_attempts=None, wait_initial=60, wait_jitter=0, timeout=500)
    defer(signal, retry=policy)(recorder.receive)
    with manual() as deferred:
        signal.send(None)
        (ran,) = deferred.run_deferred()
    assert (ran.waits, ran.outcome) == ([60, 120, 240], "failed")
    assert isinstance(ran.exception, ConnectionError)


def test_wrong_waits_are_told(signal: Signal, recorder: Recorder) -> None:
    with manual() as deferred:
        signal.send(None)
        with pytest.raises(AssertionError, match=r"The waits were \[\], not \[5\]"):
            deferred.run_deferred(waits=[5])


def test_what_a_receiver_defers_is_run_as_well(signal: Signal, defer: Connected) -> None:
    second, ran = Signal(), []

    def first_step(sender: object, **kwargs: Any) -> None:
        second.send(None)

    def second_step(sender: object, **kwargs: Any) -> None:
        ran.append(running().depth)
        raise Discard("it is enough")

    defer(signal)(first_step)
    defer(second)(second_step)
    with manual() as deferred:
        signal.send(None)
        outcomes = [item.outcome for item in deferred.run_deferred()]
    assert (ran, outcomes) == ([1], ["succeeded", "discarded"])
