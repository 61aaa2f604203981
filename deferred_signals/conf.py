"""The ``DEFERRED_SIGNALS`` setting: one dict, read lazily, typed, validated.

`current()` is how the library reads it; `problems()` is how ``manage.py check`` explains it.
"""

from __future__ import annotations

from dataclasses import field
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings as django_settings

from deferred_signals.errors import ConfigurationError, InvalidPolicy
from deferred_signals.policies import NO_RETRY, Retry
from deferred_signals.support.amounts import as_seconds
from deferred_signals.support.frozen import Frozen
from deferred_signals.support.hints import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Problem", "Settings", "current", "nearest", "problems"]

NAME = "DEFERRED_SIGNALS"


class Settings(Frozen):
    """The values in force; what each means is told in the README's table of settings."""

    EAGER: bool = False
    EAGER_PROPAGATES: bool = True
    RETRY: Retry = field(default_factory=Retry)
    RETRY_POLICIES: Mapping[str, Retry] = field(default_factory=dict)
    QUEUE: str | None = None
    PUBLISH_TIMEOUT: float = 1.0
    PUBLISH_IN_TESTS: bool = False
    LONGEST_WAIT: float | None = None
    BREAKER_COOLDOWN: float = 5.0
    MAX_MESSAGE_BYTES: int = 256 * 1024
    SENSITIVE: frozenset[str] = frozenset(
        {
            "access_token",
            "api_key",
            "passwd",
            "password",
            "private_key",
            "raw_password",
            "refresh_token",
            "secret",
        }
    )
    REQUEST_SESSION_KEYS: frozenset[str] = frozenset()
    REQUEST_HEADERS: frozenset[str] = frozenset()
    CONTEXT: tuple[str, ...] = (
        "deferred_signals.context.Language",
        "deferred_signals.context.TimeZone",
    )
    SIGNING: bool = False
    UNKNOWN_GRACE: float = 3600.0
    MAX_DEPTH: int = 16
    MAX_REDELIVERIES: int = 10


class Problem(NamedTuple):
    """What is wrong with one key of the setting, and what to do about it."""

    key: str
    text: str
    hint: str


def current() -> Settings:
    """The settings in force, also inside ``override_settings``, and when another dict is assigned.

    Raises:
        ConfigurationError: the setting has an unknown key or a value of the wrong type.
    """
    global _current  # noqa: PLW0603 - the cache of one value, replaced as a whole
    holder, raw, settings = _current
    if settings is None or holder is not _holder() or raw is not vars(holder).get(NAME):
        settings = _parse(getattr(django_settings, NAME, None))
        holder = _holder()
        _current = holder, vars(holder).get(NAME), settings
    return settings


def _holder() -> object:
    """What holds Django's settings now; ``override_settings`` makes a new one.

    Each send asks several times, and Django is slow to say that a setting is not there. So this one
    place looks behind its lazy object, whose own look-up of attributes is slow, too.
    """
    return object.__getattribute__(django_settings, "_wrapped")


def problems() -> list[Problem]:
    """Everything that is wrong with the setting, an entry a key."""
    raw = getattr(django_settings, NAME, None)
    return _parse_all(raw)[1]


#: The holder and the dict that `current` read, and what that came to.
_current: tuple[object, object, Settings | None] = None, None, None


def _parse(raw: object) -> Settings:
    settings, found = _parse_all(raw)
    if found:
        first = found[0]
        raise ConfigurationError(f"{first.text} {first.hint}")
    return settings


def _parse_all(raw: object) -> tuple[Settings, list[Problem]]:
    if raw is None:
        return Settings(), []
    if not isinstance(raw, dict):
        problem = Problem(NAME, f"{NAME} must be a dict, got {raw!r}.", f"Write {NAME} = {{...}}.")
        return Settings(), [problem]
    values: dict[str, Any] = {}
    found = []
    for key, value in raw.items():
        parse = _PARSERS.get(key)
        where = f"{NAME}[{key!r}]"
        if key == "DURABLE" and value is False:
            continue  # what it is anyway
        if key in _NOT_YET:
            found.append(Problem(key, f"{where} is not available in this version.", _NOT_YET_HINT))
            continue
        if parse is None:
            hint = nearest(str(key), _PARSERS)
            found.append(Problem(str(key), f"{where} is not a setting.", hint))
            continue
        try:
            values[key] = parse(value)
        except _WrongPolicies as errors:
            found += [
                Problem(key, f"{where}{place} is no retry policy: {text}", _POLICY_HINT)
                for place, text in errors.found
            ]
        except (TypeError, ValueError) as error:
            found.append(Problem(key, f"{where} must be {error}, got {value!r}.", _VALUE_HINT))
    return Settings(**values), found


#: Settings that are decided, but whose part of the library is still to come.
_NOT_YET = frozenset(
    {
        "DURABLE",
        "OUTBOX",
    }
)
_NOT_YET_HINT = "Remove the key; the changelog says when it arrives."
_POLICY_HINT = "Give a Retry, a dict of its fields, or None for a single attempt."
_VALUE_HINT = "Correct the value, or remove the key to have the default."


class _WrongPolicies(Exception):
    """Everything that is wrong with policies: where in the value, and what."""

    def __init__(self, found: list[tuple[str, str]]) -> None:
        super().__init__(found)
        self.found = found


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("True or False")
    return value


def _name_or_none(value: object) -> str | None:
    if value is not None and not (isinstance(value, str) and value):
        raise TypeError("a queue's name or None")
    return value


def _whole(least: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"a whole number of at least {least}")
        return value

    return parse


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, (tuple, list, set, frozenset)) or not all(
        isinstance(item, str) for item in value
    ):
        raise TypeError("a tuple of names")
    return frozenset(value)


def _folded_names(value: object) -> frozenset[str]:
    return frozenset(name.casefold() for name in _names(value))


def _paths(value: object) -> tuple[str, ...]:
    if not isinstance(value, (tuple, list)) or not all(
        isinstance(item, str) and "." in item for item in value
    ):
        raise TypeError("a tuple of dotted paths")
    return tuple(value)


def _seconds(value: object) -> float:
    seconds = as_seconds(value)
    if seconds is None or not 0 < seconds < inf:
        raise ValueError("seconds (more than 0) or a timedelta")
    return float(seconds)


def _seconds_or_none(value: object) -> float | None:
    return None if value is None else _seconds(value)


def _policy(value: object) -> Retry:
    if value is None:
        return NO_RETRY
    if isinstance(value, Retry):
        return value
    found = (
        _wrong_fields(value)
        if isinstance(value, dict)
        else [f"it must be a Retry or a dict of its fields, got {value!r}."]
    )
    if found or not isinstance(value, dict):
        raise _WrongPolicies([("", text) for text in found])
    return Retry(**value)


def _wrong_fields(values: dict[Any, Any]) -> list[str]:
    """What is wrong with the fields of a policy: with each of them, or else with all together."""
    found = []
    for name, value in values.items():
        # No limit to attempts is fine where there is a timeout, which is looked at by itself.
        others = {"timeout": 1} if name == "max_attempts" else {}
        found += _wrong_together({**others, str(name): value})
    return found or _wrong_together(values)


def _wrong_together(values: dict[Any, Any]) -> list[str]:
    try:
        Retry(**{str(name): value for name, value in values.items()})
    except InvalidPolicy as error:
        return [str(error)]
    return []


def _policies(value: object) -> dict[str, Retry]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise TypeError("a dict of names and policies")
    found: dict[str, Retry] = {}
    wrong: list[tuple[str, str]] = []
    for name, policy in value.items():
        try:
            found[name] = _policy(policy)
        except _WrongPolicies as errors:
            wrong += [(f"[{name!r}]{place}", text) for place, text in errors.found]
    if wrong:
        raise _WrongPolicies(wrong)
    return found


_PARSERS: dict[str, Callable[[object], object]] = {
    "EAGER": _bool,
    "EAGER_PROPAGATES": _bool,
    "RETRY": _policy,
    "RETRY_POLICIES": _policies,
    "QUEUE": _name_or_none,
    "PUBLISH_TIMEOUT": _seconds,
    "PUBLISH_IN_TESTS": _bool,
    "LONGEST_WAIT": _seconds_or_none,
    "BREAKER_COOLDOWN": _seconds,
    "MAX_MESSAGE_BYTES": _whole(1024),
    "REQUEST_SESSION_KEYS": _names,
    "REQUEST_HEADERS": _names,
    "CONTEXT": _paths,
    "SIGNING": _bool,
    "UNKNOWN_GRACE": _seconds,
    "SENSITIVE": _folded_names,
    "MAX_DEPTH": _whole(1),
    "MAX_REDELIVERIES": _whole(0),
}
