"""Validators accept what fits, in its normal form, and tell of anything else what was expected."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from deferred_signals.support.validators import (
    Unfit,
    exception_types,
    names,
    number,
    one_of,
    or_call,
    or_none,
    seconds,
    validated,
    whole,
)


@pytest.mark.parametrize(
    ("validator", "value", "normal"),
    [
        (names, ["a", "b"], ("a", "b")),
        (number(1), 1, 1),
        (whole(0, 9), 9, 9),
        (seconds, timedelta(minutes=1), 60.0),
        (seconds, 0, 0.0),
        (exception_types, [OSError], (OSError,)),
        (one_of("a", "b"), "b", "b"),
        (or_none(whole(1)), None, None),
        (or_call(whole(1)), print, print),
    ],
)
def test_what_fits_is_given_back_in_its_normal_form(
    validator: Callable[[object], object], value: object, normal: object
) -> None:
    assert validator(value) == normal


@pytest.mark.parametrize(
    ("validator", "value", "sentence"),
    [
        (names, "ab", "x must be a tuple of names, got 'ab'."),
        (number(1), True, "x must be a number of at least 1, got True."),
        (whole(0, 9), 10, "x must be a whole number from 0 to 9, got 10."),
        (seconds, float("nan"), "x must be seconds (0 or more) or a timedelta, got nan."),
        (
            exception_types,
            (OSError, 3),
            "x must be an exception type or a tuple of them, got 3.",
        ),
        (one_of("a", "b", "c"), "d", "x must be 'a', 'b' or 'c', got 'd'."),
        (or_none(one_of("a")), "d", "x must be 'a', or None, got 'd'."),
        (
            or_call(whole(1)),
            0,
            "x must be a whole number of at least 1, or a callable of (sender, **kwargs), got 0.",
        ),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(
    validator: Callable[[object], object], value: object, sentence: str
) -> None:
    with pytest.raises(Unfit) as caught:
        validator(value)
    assert caught.value.sentence("x") == sentence
    with pytest.raises(LookupError) as refused:
        validated("x", value, validator, LookupError)
    assert refused.value.args == (sentence,)
