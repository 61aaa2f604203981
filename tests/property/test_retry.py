"""Waits of any policy: they never shrink, and never exceed their bound."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deferred_signals import Retry

seconds = st.floats(min_value=0, max_value=1e6)
policies = st.builds(
    Retry,
    max_attempts=st.integers(min_value=1, max_value=50),
    wait_initial=seconds,
    wait_max=seconds,
    wait_jitter=seconds,
    wait_exp_base=st.floats(min_value=1, max_value=1e6),
)
chances = st.floats(min_value=0, max_value=1)
attempts = st.integers(min_value=1, max_value=10_000)


@given(policies, attempts, chances)
def test_wait_is_between_zero_and_wait_max(policy: Retry, attempt: int, chance: float) -> None:
    assert 0 <= policy.wait_after(attempt, lambda: chance) <= float(policy.wait_max)  # type: ignore[arg-type]  # seconds by now


@given(policies, attempts, chances)
def test_waits_never_shrink(policy: Retry, attempt: int, chance: float) -> None:
    assert policy.wait_after(attempt, lambda: chance) <= policy.wait_after(
        attempt + 1, lambda: chance
    )


@given(policies, chances, st.data())
def test_no_wait_exceeds_the_longest(policy: Retry, chance: float, data: Any) -> None:
    attempt = data.draw(st.integers(min_value=1, max_value=max(1, (policy.max_attempts or 1) - 1)))
    if policy.max_attempts != 1:
        assert policy.wait_after(attempt, lambda: chance) <= policy.longest_wait
