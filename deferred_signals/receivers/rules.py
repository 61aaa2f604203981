"""What each option of a deferred receiver may be: a rule takes a value and gives it, normalized."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from math import inf, isfinite
from typing import Any

from deferred_signals.errors import InvalidReceiver
from deferred_signals.policies import Retry
from deferred_signals.receivers.bases import check_base
from deferred_signals.receivers.naming import A_NAME, is_name
from deferred_signals.support.amounts import as_seconds, is_number

__all__ = ["RULES"]

#: What AMQP has room for.
HIGHEST_PRIORITY = 255
ACTIONS = ("pre_add", "post_add", "pre_remove", "post_remove", "pre_clear", "post_clear")


def _wrong(name: str, value: object, expected: str) -> InvalidReceiver:
    return InvalidReceiver(f"{name} must be {expected}, got {value!r}.")


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "True or False")
    return value


def _flag_or_none(name: str, value: object) -> bool | None:
    return None if value is None else _flag(name, value)


def _callable_or_none(name: str, value: object) -> Callable[..., Any] | None:
    if value is not None and not callable(value):
        raise _wrong(name, value, "a callable of (sender, **kwargs)")
    return value


def _flag_or_callable(name: str, value: object) -> Any:
    if not isinstance(value, bool) and not callable(value):
        raise _wrong(name, value, "True, False or a callable of (sender, **kwargs)")
    return value


def _text_or_none(name: str, value: object) -> str | None:
    if value is not None and not (isinstance(value, str) and value):
        raise _wrong(name, value, "a name")
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, (tuple, list, set, frozenset)) or not all(
        isinstance(item, str) and item for item in value
    ):
        raise _wrong(name, value, "a tuple of names")
    return tuple(value)


def _names(name: str, value: object) -> frozenset[str]:
    return frozenset(_texts(name, value))


def _aliases(name: str, value: object) -> tuple[str, ...]:
    aliases = _texts(name, value)
    if not all(is_name(alias) for alias in aliases):
        raise _wrong(name, value, f"a tuple of names, each {A_NAME}")
    return aliases


def _paths(name: str, value: object) -> tuple[str, ...]:
    paths = _texts(name, value)
    for path in paths:
        for step in path.split("."):
            if not step.isidentifier() or (step.startswith("__") and step.endswith("__")):
                raise _wrong(name, value, "a tuple of attributes, like '_old' or 'user.client_id'")
    return paths


def _kwarg_names(name: str, value: object) -> frozenset[str]:
    names = _names(name, value)
    if not names.isdisjoint({"sender", "signal"}):
        raise _wrong(name, value, "names of kwargs (sender and signal always travel)")
    return names


def _snapshot(name: str, value: object) -> bool | frozenset[str]:
    if isinstance(value, bool):
        return value
    names = _names(name, value)
    if "signal" in names:
        raise _wrong(name, value, "True, False, or names of kwargs or 'sender'")
    return names


def _actions(name: str, value: object) -> frozenset[str]:
    actions = _names(name, value)
    for action in actions:
        if action not in ACTIONS:
            raise _wrong(name, value, f"some of {', '.join(ACTIONS)}")
    return actions


def _retry(name: str, value: object) -> Retry | str | None:
    if value is None or isinstance(value, (Retry, str)):
        return value
    wanted = "a Retry, the name of a policy, or None for a single attempt"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        wanted += f" (for {value} retries: Retry(max_attempts={value + 1}))"
    raise _wrong(name, value, wanted)


def _missing(name: str, value: object) -> Any:
    if value not in (None, "discard", "retry", "fail"):
        raise _wrong(name, value, "'discard', 'retry' or 'fail'")
    return value


def _count(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _wrong(name, value, "a whole number of at least 1")
    return value


def _limit(name: str, value: object) -> float | None:
    seconds = as_seconds(value)
    if value is not None and (seconds is None or not 0 < seconds < inf):
        raise _wrong(name, value, "seconds (more than 0) or a timedelta")
    return seconds


def _queue(name: str, value: object) -> Any:
    return value if callable(value) else _text_or_none(name, value)


def _priority(name: str, value: object) -> Any:
    if value is None or callable(value):
        return value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= HIGHEST_PRIORITY:
        raise _wrong(name, value, f"a whole number from 0 to {HIGHEST_PRIORITY}, or a callable")
    return value


def _delay(name: str, value: object) -> Any:
    if value is None or callable(value):
        return value
    seconds = as_seconds(value)
    if seconds is None or not 0 <= seconds < inf:
        raise _wrong(name, value, "seconds (0 or more), a timedelta, or a callable")
    return seconds


def _expires(name: str, value: object) -> Any:
    return value if isinstance(value, datetime) else _delay(name, value)


def _headers(name: str, value: object) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong(name, value, "a dict with names as keys")
    return dict(value)


def _rate(name: str, value: object) -> Any:
    if (
        value is None
        or (isinstance(value, str) and value)
        or (is_number(value) and isfinite(value))
    ):
        return value
    raise _wrong(name, value, "Celery's rate, like '10/m'")


def _throws(name: str, value: object) -> tuple[type[BaseException], ...]:
    types: tuple[Any, ...] = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if not all(isinstance(item, type) and issubclass(item, BaseException) for item in types):
        raise _wrong(name, value, "exception types")
    return types


def _serializer(name: str, value: object) -> str | None:
    if value == "pickle":
        raise _wrong(name, value, "a serializer that runs nothing on reading, like 'json'")
    return _text_or_none(name, value)


RULES: dict[str, Callable[[str, Any], Any]] = {
    "aliases": _aliases,
    "when": _callable_or_none,
    "raw": _flag,
    "exclude": _kwarg_names,
    "exclude_fields": _names,
    "carry": _paths,
    "snapshot": _snapshot,
    "capture": _callable_or_none,
    "actions": _actions,
    "opt_in": _flag,
    "using": _text_or_none,
    "coalesce": _flag_or_callable,
    "version": _count,
    "upgrade": _callable_or_none,
    "retry": _retry,
    "missing": _missing,
    "chunk_size": _count,
    "queue": _queue,
    "priority": _priority,
    "countdown": _delay,
    "expires": _expires,
    "time_limit": _limit,
    "soft_time_limit": _limit,
    "headers": _headers,
    "compression": _text_or_none,
    "rate_limit": _rate,
    "ignore_result": _flag,
    "acks_late": _flag,
    "track_started": _flag_or_none,
    "throws": _throws,
    "base": check_base,
    "send_events": _flag,
    "serializer": _serializer,
}
