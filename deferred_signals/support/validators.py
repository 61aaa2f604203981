"""Validators of options, settings and policies.

A validator takes a value and returns it in its normal form. It refuses any other by `Unfit`, which
tells what was expected. Whoever asked knows the value's name and the right kind of error, and
tells both: see `validated`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, TypeVar

from deferred_signals.support.amounts import as_seconds, is_number

__all__ = [
    "Unfit",
    "Validator",
    "anything",
    "call",
    "exception_types",
    "flag",
    "mapping",
    "name_set",
    "names",
    "number",
    "one_of",
    "or_call",
    "or_none",
    "seconds",
    "seconds_above_zero",
    "text",
    "validated",
    "whole",
]

T = TypeVar("T")
Validator = Callable[[Any], T]


class Unfit(ValueError):
    """The refusal of a value.

    Arguments:
        expected: what fits, as the end of a sentence that begins with "must be".
        got: the value, or the part of it that does not fit.
    """

    def __init__(self, expected: str, got: object) -> None:
        super().__init__(expected)
        self.expected = expected
        self.got = got

    def sentence(self, where: str) -> str:
        """Tell what is wrong with the value that stands in a place."""
        return f"{where} must be {self.expected}, got {self.got!r}."


def validated(
    where: str, value: object, validator: Validator[T], refusal: Callable[[str], Exception]
) -> T:
    """Return what a validator makes of a value, or raise the refusal.

    Arguments:
        where: what the value is called.
        value: the value.
        validator: what it has to fit.
        refusal: the error's class, which gets the sentence.

    >>> validated("Retry.max_attempts", 0, whole(1), LookupError)
    Traceback (most recent call last):
        ...
    LookupError: Retry.max_attempts must be a whole number of at least 1, got 0.
    """
    try:
        return validator(value)
    except Unfit as unfit:
        raise refusal(unfit.sentence(where)) from None


def anything(value: Any) -> Any:
    """Accept any value: somebody else looks at it."""
    return value


def flag(value: object) -> bool:
    """Accept True and False, and nothing that is merely as good as one of them."""
    if not isinstance(value, bool):
        raise Unfit("True or False", value)
    return value


def text(value: object) -> str:
    """Accept a name: a text that is not empty."""
    if not (isinstance(value, str) and value):
        raise Unfit("a name", value)
    return value


def names(value: object) -> tuple[str, ...]:
    """Accept several names; a single text, which has several letters, is not meant."""
    if not isinstance(value, (tuple, list, set, frozenset)) or not all(
        isinstance(item, str) and item for item in value
    ):
        raise Unfit("a tuple of names", value)
    return tuple(value)


def name_set(value: object) -> frozenset[str]:
    """Accept several names whose order does not matter."""
    return frozenset(names(value))


def whole(least: int, most: int | None = None) -> Validator[int]:
    """Accept whole numbers of a range."""
    expected = "a whole number "
    expected += f"of at least {least}" if most is None else f"from {least} to {most}"

    def validate(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit(expected, value)
        if value < least or (most is not None and value > most):
            raise Unfit(expected, value)
        return value

    return validate


def number(least: float) -> Validator[float]:
    """Accept finite numbers from a least one on."""

    def validate(value: object) -> float:
        if not is_number(value) or not least <= value < inf:
            raise Unfit(f"a number of at least {least:g}", value)
        return value

    return validate


def seconds(value: object) -> float:
    """Accept a duration, which may be none: seconds, or a ``timedelta``."""
    found = as_seconds(value)
    if found is None or not 0 <= found < inf:
        raise Unfit("seconds (0 or more) or a timedelta", value)
    return float(found)


def seconds_above_zero(value: object) -> float:
    """Accept a duration: seconds, or a ``timedelta``."""
    found = as_seconds(value)
    if found is None or not 0 < found < inf:
        raise Unfit("seconds (more than 0) or a timedelta", value)
    return float(found)


def exception_types(value: object) -> tuple[type[BaseException], ...]:
    """Accept an exception type, or several."""
    types = value if isinstance(value, (tuple, list)) else (value,)
    for item in types:
        if not (isinstance(item, type) and issubclass(item, BaseException)):
            raise Unfit("an exception type or a tuple of them", item)
    return tuple(types)


def mapping(value: object) -> dict[str, Any]:
    """Accept a dict with names as keys; return a copy."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise Unfit("a dict with names as keys", value)
    return dict(value)


def call(value: object) -> Callable[..., Any]:
    """Accept a callable that is asked at each send."""
    if not callable(value):
        raise Unfit("a callable of (sender, **kwargs)", value)
    return value


def one_of(*choices: str) -> Validator[Any]:
    """Accept one of some words."""
    *others, last = map(repr, choices)
    expected = f"{', '.join(others)} or {last}" if others else last

    def validate(value: object) -> Any:
        if value not in choices:
            raise Unfit(expected, value)
        return value

    return validate


def or_none(validator: Validator[T]) -> Validator[T | None]:
    """Accept None, too."""

    def validate(value: object) -> T | None:
        return None if value is None else _extended(validator, value, ", or None")

    return validate


def or_call(validator: Validator[T]) -> Validator[T | Callable[..., Any]]:
    """Accept a callable, too, that gives the value at each send."""

    def validate(value: object) -> T | Callable[..., Any]:
        if callable(value):
            return value
        return _extended(validator, value, ", or a callable of (sender, **kwargs)")

    return validate


def _extended(validator: Validator[T], value: object, more: str) -> T:
    try:
        return validator(value)
    except Unfit as unfit:
        raise Unfit(unfit.expected + more, unfit.got) from None
