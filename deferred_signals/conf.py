"""The ``DEFERRED_SIGNALS`` setting: one dict, read lazily, typed, validated.

`current()` is how the library reads it; `problems()` is how ``manage.py check`` explains it.
"""

from __future__ import annotations

from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.conf import settings as django_settings

from deferred_signals.errors import ConfigurationError, InvalidPolicy
from deferred_signals.policies import NO_RETRY, Retry
from deferred_signals.support.frozen import Frozen
from deferred_signals.support.hints import nearest
from deferred_signals.support.validators import (
    Unfit,
    flag,
    name_set,
    names,
    or_none,
    seconds,
    seconds_above_zero,
    text,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deferred_signals.support.validators import Validator

__all__ = ["Problem", "Settings", "current", "nearest", "problems"]

T = TypeVar("T")

NAME = "DEFERRED_SIGNALS"

#: Settings that are decided, but whose part of the library is still to come.
_NOT_YET = frozenset({"DURABLE", "OUTBOX"})

_NOT_YET_HINT = "Remove the key; the changelog says when it arrives."
_POLICY_HINT = "Give a Retry, a dict of its fields, or None for a single attempt."
_VALUE_HINT = "Correct the value, or remove the key to have the default."


class _WrongPolicies(Exception):
    """All that is wrong with policies, as pairs: where in the value, and what."""

    def __init__(self, found: list[tuple[str, str]]) -> None:
        super().__init__(found)
        self.found = found


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
    """Tell what is wrong with the fields of a policy: each alone, or else all of them together."""
    found = []
    for name, value in values.items():
        # No limit to attempts is fine where there is a timeout, and that is looked at by itself.
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
        raise Unfit("a dict of names and policies", value)
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


def _folded_names(value: object) -> frozenset[str]:
    return frozenset(name.casefold() for name in names(value))


def _paths(value: object) -> tuple[str, ...]:
    if not isinstance(value, (tuple, list)) or not all("." in path for path in names(value)):
        raise Unfit("a tuple of dotted paths", value)
    return tuple(value)


def setting(validator: Validator[T], **default: Any) -> T:
    """Declare a key of the setting: what fits it, and its ``default`` or ``default_factory``."""
    found: T = field(metadata={"validator": validator}, **default)
    return found


class Settings(Frozen):
    """The values in force; what each means is told in the README's table of settings."""

    EAGER: bool = setting(flag, default=False)
    EAGER_PROPAGATES: bool = setting(flag, default=True)
    RETRY: Retry = setting(_policy, default=Retry())
    RETRY_POLICIES: Mapping[str, Retry] = setting(_policies, default_factory=dict)
    QUEUE: str | None = setting(or_none(text), default=None)
    PUBLISH_TIMEOUT: float = setting(seconds, default=1.0)
    CONNECT_TIMEOUT: float = setting(seconds_above_zero, default=5.0)
    KEEP_FOR: float = setting(seconds, default=30.0)
    KEEP_MESSAGES: int = setting(whole(0), default=10_000)
    KEEP_BYTES: int = setting(whole(0), default=32 * 1024 * 1024)
    PUBLISH_IN_TESTS: bool = setting(flag, default=False)
    LONGEST_WAIT: float | None = setting(or_none(seconds_above_zero), default=None)
    BREAKER_COOLDOWN: float = setting(seconds_above_zero, default=5.0)
    MAX_MESSAGE_BYTES: int = setting(whole(1024), default=256 * 1024)
    SENSITIVE: frozenset[str] = setting(
        _folded_names,
        default=frozenset(
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
        ),
    )
    REQUEST_SESSION_KEYS: frozenset[str] = setting(name_set, default=frozenset())
    REQUEST_HEADERS: frozenset[str] = setting(name_set, default=frozenset())
    CONTEXT: tuple[str, ...] = setting(
        _paths,
        default=(
            "deferred_signals.context.Language",
            "deferred_signals.context.TimeZone",
        ),
    )
    SIGNING: bool = setting(flag, default=False)
    UNKNOWN_GRACE: float = setting(seconds_above_zero, default=3600.0)
    MAX_DEPTH: int = setting(whole(1), default=16)
    MAX_REDELIVERIES: int = setting(whole(0), default=10)


class Problem(NamedTuple):
    """What is wrong with one key of the setting, and what to do about it."""

    key: str
    text: str
    hint: str


def current() -> Settings:
    """Return the settings in force, also inside ``override_settings`` and after an assignment.

    Raises:
        ConfigurationError: the setting has an unknown key or a value of the wrong type.
    """
    # Each send reads the settings several times, and Django takes long to say that one is not there.
    # So this place alone looks behind Django's lazy object. What holds the settings is another object
    # within `override_settings`, and has no `__dict__` while another thread exchanges it.
    global _current  # noqa: PLW0603 - the cache of one value, replaced as a whole
    holder, raw, settings = _current
    now = _behind(django_settings, "_wrapped")
    if settings is None or holder is not now or raw is not getattr(now, "__dict__", {}).get(NAME):
        settings = _parse(getattr(django_settings, NAME, None))
        now = _behind(django_settings, "_wrapped")
        _current = now, getattr(now, "__dict__", {}).get(NAME), settings
    return settings


#: Reads an attribute of Django's lazy object itself, whose own look-up is slow.
_behind = object.__getattribute__


def problems() -> list[Problem]:
    """List everything that is wrong with the setting."""
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
    validators = {item.name: item.metadata["validator"] for item in fields(Settings)}
    values: dict[str, Any] = {}
    found = []
    for key, value in raw.items():
        where = f"{NAME}[{key!r}]"
        if key == "DURABLE" and value is False:
            continue  # which is the default
        if key in _NOT_YET:
            found.append(Problem(key, f"{where} is not available in this version.", _NOT_YET_HINT))
            continue
        if key not in validators:
            hint = nearest(str(key), validators)
            found.append(Problem(str(key), f"{where} is not a setting.", hint))
            continue
        try:
            values[key] = validators[key](value)
        except _WrongPolicies as errors:
            found += [
                Problem(key, f"{where}{place} is no retry policy: {text}", _POLICY_HINT)
                for place, text in errors.found
            ]
        except Unfit as unfit:
            found.append(Problem(key, unfit.sentence(where), _VALUE_HINT))
    return Settings(**values), found
