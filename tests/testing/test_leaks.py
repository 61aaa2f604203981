"""Messages that a test neither ran nor looked at are reported."""

import warnings
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal
from django.test import TestCase

from deferred_signals.testing import LeakWarning, manual
from deferred_signals.testing.leaks import tell_of_stuck
from tests.support.recorder import Recorder

pytestmark = pytest.mark.django_db


def test_message_that_nobody_looked_at_is_warned_of(signal: Signal, recorder: Recorder) -> None:
    with (
        pytest.warns(LeakWarning, match=r"(?s)1 message was deferred and neither run.*number=1\)"),
        manual(leaks="warn"),
    ):
        signal.send(None, number=1)


def test_message_that_nobody_looked_at_fails(signal: Signal, recorder: Recorder) -> None:
    with pytest.raises(AssertionError, match="2 messages were deferred"), manual(leaks="fail"):
        signal.send(None, number=1)
        signal.send(None, number=2)


def test_what_was_run_or_asserted_or_listed_is_no_leak(signal: Signal, recorder: Recorder) -> None:
    with manual(leaks="fail") as deferred:
        signal.send(None, number=1)
        deferred.assert_deferred(recorder, number=1)
    with manual(leaks="fail") as deferred:
        signal.send(None)
        deferred.run_deferred()
    with manual(leaks="fail") as deferred:
        signal.send(None)
        deferred.all_deferred()


def test_assertion_speaks_for_the_calls_that_it_means_alone(
    signal: Signal, recorder: Recorder
) -> None:
    with pytest.raises(AssertionError, match=r"(?s)1 message was.*number=2\)"):  # noqa: SIM117
        with manual(leaks="fail") as deferred:
            signal.send(None, number=1)
            signal.send(None, number=2)
            deferred.assert_deferred(recorder, number=1)
            deferred.refute_deferred(recorder, number=3)


def test_failure_of_the_test_itself_is_not_hidden(signal: Signal, recorder: Recorder) -> None:
    with pytest.raises(ZeroDivisionError), manual(leaks="fail"):
        signal.send(None)
        raise ZeroDivisionError


def test_nothing_is_told_where_nobody_asked(signal: Signal, recorder: Recorder) -> None:
    with manual():
        signal.send(None)


def test_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="'warn', 'fail' or 'off', got 'no'"):
        manual(leaks="no")  # type: ignore[arg-type]


def test_message_that_waits_for_the_commit_of_a_test_case_is_told(
    signal: Signal, recorder: Recorder, django_assert_num_queries: Any
) -> None:
    with transaction.atomic():
        signal.send(None, number=1)
    with (
        django_assert_num_queries(0),
        pytest.raises(AssertionError, match=r"is never committed:\n.*\(number\)"),
    ):
        tell_of_stuck("fail")


def test_message_that_was_rolled_back_waits_for_nothing(signal: Signal, recorder: Recorder) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        signal.send(None, number=1)
        raise ZeroDivisionError
    tell_of_stuck("fail")


def test_message_whose_hooks_django_ran_waits_for_nothing(
    signal: Signal, recorder: Recorder, broker: object
) -> None:
    with TestCase.captureOnCommitCallbacks(execute=True):
        signal.send(None, number=1)
    tell_of_stuck("fail")


def test_off_is_silent(signal: Signal, recorder: Recorder) -> None:
    signal.send(None, number=1)
    with warnings.catch_warnings(action="error"):
        tell_of_stuck("off")


@pytest.mark.django_db(transaction=True)
def test_message_in_an_open_transaction_that_is_real_may_still_be_committed(
    signal: Signal, recorder: Recorder
) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        signal.send(None, number=1)
        tell_of_stuck("fail")
        raise ZeroDivisionError
