"""`Retry` is a value: what it accepts, and what it decides."""

import pickle
from copy import copy, deepcopy
from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from typing import Any

import pytest

from deferred_signals import DeferredSignalsError, InvalidPolicy, Retry, RetryLater
from deferred_signals.policies import NO_RETRY, GiveUp, TryAgain


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"max_attempts": 0},
            "Retry.max_attempts must be a whole number of at least 1, or None, got 0.",
        ),
        ({"max_attempts": -1}, "at least 1, or None, got -1"),
        ({"max_attempts": 2.0}, "whole number of at least 1, or None, got 2.0"),
        ({"max_attempts": True}, "whole number of at least 1, or None, got True"),
        ({"max_attempts": None}, "needs a timeout"),
        (
            {"wait_initial": -1},
            r"Retry.wait_initial must be seconds \(0 or more\) or a timedelta, got -1",
        ),
        ({"wait_initial": "1"}, "Retry.wait_initial must be seconds .* or a timedelta, got '1'"),
        ({"wait_initial": True}, "or a timedelta, got True"),
        ({"wait_max": float("inf")}, "Retry.wait_max must be seconds .* got inf"),
        ({"wait_max": float("nan")}, "Retry.wait_max"),
        ({"wait_jitter": timedelta(seconds=-1)}, "Retry.wait_jitter"),
        ({"wait_jitter": None}, "Retry.wait_jitter"),
        ({"wait_exp_base": 0.5}, "Retry.wait_exp_base must be a number of at least 1, got 0.5"),
        ({"wait_exp_base": float("inf")}, "Retry.wait_exp_base"),
        (
            {"timeout": 0},
            r"Retry.timeout must be seconds \(more than 0\) or a timedelta, or None, got 0",
        ),
        ({"timeout": -3}, "Retry.timeout"),
        ({"on": "ValueError"}, "Retry.on must be an exception type"),
        ({"on": (ValueError, 3)}, "Retry.on .* got 3"),
        ({"on": ValueError()}, "Retry.on"),
        ({"give_up_on": [int]}, "Retry.give_up_on"),
    ],
)
def test_value_that_makes_no_policy_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidPolicy, match=words):
        Retry(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_retries": 3}, "Write max_attempts=4: .* max_retries=n is max_attempts=n+1"),
        ({"max_retries": 0}, "max_attempts=1"),
        ({"max_retries": None}, "max_attempts="),
        ({"max_atempts": 3}, "Did you mean 'max_attempts'?"),
        ({"backoff": 3}, "Did you mean 'wait_exp_base'?"),
        ({"autoretry_for": (OSError,)}, "Did you mean 'on'?"),
        ({"wait_min": 1, "tries": 2}, "'wait_.*tries= is no field of Retry"),
    ],
)
def test_unknown_field_is_refused_with_the_right_one(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidPolicy, match=words.replace("+", r"\+").replace("?", r"\?")):
        Retry(**fields)


def test_policy_can_be_copied_and_pickled() -> None:
    policy = Retry(on=OSError, max_attempts=7)
    for same in (copy(policy), deepcopy(policy), pickle.loads(pickle.dumps(policy))):  # noqa: S301 - our own
        assert same == policy
    assert replace(policy, max_attempts=8) == Retry(on=OSError, max_attempts=8)


def test_refusal_is_a_value_error_and_one_of_ours() -> None:
    with pytest.raises(ValueError, match="max_attempts") as caught:
        Retry(max_attempts=0)
    assert isinstance(caught.value, DeferredSignalsError)


def test_policy_is_keyword_only() -> None:
    with pytest.raises(TypeError):
        Retry((ValueError,))  # type: ignore[call-arg]


def test_policy_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Retry().max_attempts = 4  # type: ignore[misc]


def test_equal_policies_are_equal_and_hash_alike() -> None:
    one = Retry(on=ValueError, wait_initial=timedelta(minutes=1))
    other = Retry(on=(ValueError,), wait_initial=60)
    assert one == other
    assert hash(one) == hash(other)


def test_timedeltas_are_seconds() -> None:
    policy = Retry(
        wait_initial=timedelta(seconds=2),
        wait_max=timedelta(minutes=1),
        wait_jitter=timedelta(0),
        timeout=timedelta(hours=1),
    )
    assert [policy.wait_after(attempt) for attempt in (1, 2, 9)] == [2.0, 4.0, 60.0]
    assert policy.timeout == 3600.0


@pytest.mark.parametrize("max_attempts", [1, 2, 3, 10])
def test_max_attempts_counts_the_first_run(max_attempts: int) -> None:
    policy = Retry(max_attempts=max_attempts)
    runs = 1
    while isinstance(policy.decide(ValueError(), attempt=runs, elapsed=0.0), TryAgain):
        runs += 1
    assert runs == max_attempts


def test_wait_before_the_second_attempt_is_wait_initial() -> None:
    policy = Retry(wait_initial=5, wait_exp_base=3, wait_jitter=0)
    assert policy.wait_after(1) == 5.0
    assert policy.wait_after(2) == 15.0


def test_jitter_adds_at_most_itself() -> None:
    policy = Retry(wait_initial=5, wait_jitter=2)
    assert policy.wait_after(1, chance=lambda: 0.0) == 5.0
    assert policy.wait_after(1, chance=lambda: 1.0) == 7.0


def test_jitter_never_takes_a_wait_over_wait_max() -> None:
    assert Retry(wait_initial=9, wait_max=10, wait_jitter=5).wait_after(1, lambda: 1.0) == 10.0


def test_exception_that_is_not_in_on_is_given_up() -> None:
    policy = Retry(on=(OSError,))
    assert policy.decide(ValueError(), attempt=1, elapsed=0) == GiveUp("ValueError is not in on")
    assert isinstance(policy.decide(ConnectionError(), attempt=1, elapsed=0), TryAgain)


def test_give_up_on_is_stronger_than_on() -> None:
    policy = Retry(on=(OSError,), give_up_on=FileNotFoundError)
    assert policy.decide(FileNotFoundError(), attempt=1, elapsed=0) == GiveUp(
        "FileNotFoundError is in give_up_on"
    )


def test_death_of_a_process_is_nobodys_exception_and_on_is_not_asked() -> None:
    policy = Retry(on=(OSError,), max_attempts=2)
    assert isinstance(policy.decide_anyway(ValueError(), attempt=1, elapsed=0), TryAgain)
    assert isinstance(policy.decide_anyway(ValueError(), attempt=2, elapsed=0), GiveUp)


def test_next_attempt_may_begin_at_the_timeout_and_no_later() -> None:
    policy = Retry(max_attempts=None, wait_initial=10, wait_jitter=0, timeout=100)
    assert policy.decide(ValueError(), attempt=1, elapsed=90) == TryAgain(10.0)
    gave_up = policy.decide(ValueError(), attempt=1, elapsed=90.5)
    assert gave_up == GiveUp("the next attempt would begin after the timeout of 100 s")


@pytest.mark.parametrize(("after", "wait"), [(7, 7.0), (timedelta(minutes=1), 60.0), (0, 0.0)])
def test_receivers_own_wait_is_taken(after: Any, wait: float) -> None:
    policy = Retry(on=(), wait_max=5)
    assert policy.decide(RetryLater(after=after), attempt=1, elapsed=0) == TryAgain(wait)


def test_receiver_that_names_no_wait_gets_the_policys() -> None:
    policy = Retry(wait_initial=4, wait_jitter=0)
    assert policy.decide(RetryLater(), attempt=2, elapsed=0) == TryAgain(8.0)


def test_retry_later_counts_as_an_attempt() -> None:
    decision = Retry(max_attempts=3).decide(RetryLater(after=1), attempt=3, elapsed=0)
    assert decision == GiveUp("attempt 3 of 3 failed")


@pytest.mark.parametrize("after", [-1, "soon", True, float("inf"), float("nan")])
def test_retry_later_with_a_wait_that_is_none_is_refused(after: Any) -> None:
    with pytest.raises(InvalidPolicy, match=r"RetryLater\.after"):
        RetryLater(after=after)


def test_no_retry_is_one_attempt() -> None:
    assert isinstance(NO_RETRY.decide(ValueError(), attempt=1, elapsed=0), GiveUp)
    assert NO_RETRY.longest_wait == 0.0
