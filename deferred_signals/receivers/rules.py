"""Validators of options that only receivers have; `deferred_signals.support.validators` has the others."""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from deferred_signals.policies import Retry
from deferred_signals.receivers.naming import A_NAME, is_name
from deferred_signals.support.amounts import is_number
from deferred_signals.support.validators import Unfit, name_set, names, or_call, seconds, text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "HIGHEST_PRIORITY",
    "actions",
    "aliases",
    "attributes",
    "expires",
    "kwarg_names",
    "rate",
    "retry",
    "serializer",
    "snapshot",
]

#: What AMQP has room for.
HIGHEST_PRIORITY = 255
ACTIONS = ("pre_add", "post_add", "pre_remove", "post_remove", "pre_clear", "post_clear")


def aliases(value: object) -> tuple[str, ...]:
    """Accept names that receivers can have."""
    found = names(value)
    for alias in found:
        if not is_name(alias):
            raise Unfit(f"a tuple of names, each {A_NAME}", alias)
    return found


def attributes(value: object) -> tuple[str, ...]:
    """Accept paths of attributes, none of which is one of Python's own."""
    paths = names(value)
    for path in paths:
        for step in path.split("."):
            if not step.isidentifier() or (step.startswith("__") and step.endswith("__")):
                raise Unfit("a tuple of attributes, like '_old' or 'user.client_id'", path)
    return paths


def kwarg_names(value: object) -> frozenset[str]:
    """Accept names of kwargs that need not travel."""
    found = name_set(value)
    for always in found & {"sender", "signal"}:
        raise Unfit("names of kwargs (sender and signal always travel)", always)
    return found


def snapshot(value: object) -> bool | frozenset[str]:
    """Accept True, False, or the names of what travels as a snapshot."""
    if isinstance(value, bool):
        return value
    expected = "True, False, or names of kwargs or 'sender'"
    try:
        found = name_set(value)
    except Unfit:
        raise Unfit(expected, value) from None
    if "signal" in found:
        raise Unfit(expected, value)
    return found


def actions(value: object) -> frozenset[str]:
    """Accept actions of ``m2m_changed``."""
    found = name_set(value)
    for action in found:
        if action not in ACTIONS:
            raise Unfit(f"some of {', '.join(ACTIONS)}", action)
    return found


def retry(value: object) -> Retry | str | None:
    """Accept a policy, the name of one, or None for a single attempt."""
    if value is None or isinstance(value, (Retry, str)):
        return value
    expected = "a Retry, the name of a policy, or None for a single attempt"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        expected += f" (for {value} retries: Retry(max_attempts={value + 1}))"
    raise Unfit(expected, value)


def expires(value: object) -> float | datetime | Callable[..., Any]:
    """Accept when a message is too old to run: a time, or how long after the send."""
    if isinstance(value, datetime):
        return value
    try:
        return or_call(seconds)(value)
    except Unfit as unfit:
        raise Unfit(f"a datetime, {unfit.expected}", value) from None


def rate(value: object) -> str | float:
    """Accept one of Celery's rates."""
    if (isinstance(value, str) and value) or (is_number(value) and isfinite(value)):
        return value
    raise Unfit("Celery's rate, like '10/m'", value)


def serializer(value: object) -> str:
    """Accept the name of a serializer that runs nothing when a message is read."""
    if value == "pickle":
        raise Unfit("a serializer that runs nothing on reading, like 'json'", value)
    return text(value)
