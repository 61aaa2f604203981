"""What fits the keys of the setting ``DEFERRED_SIGNALS``: validators, and all that is wrong with a dict."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any, NamedTuple, TypeVar

from deferred_signals.errors import InvalidPolicy
from deferred_signals.policies import NO_RETRY, Retry
from deferred_signals.support.frozen import Frozen
from deferred_signals.support.hints import nearest
from deferred_signals.support.validators import Unfit, Validator, names

__all__ = [
    "Problem",
    "folded_names",
    "nested",
    "options_by_path",
    "parse",
    "paths",
    "policies",
    "policy",
    "setting",
]

T = TypeVar("T")
F = TypeVar("F", bound=Frozen)

_POLICY_HINT = "Give a Retry, a dict of its fields, or None for a single attempt."
_VALUE_HINT = "Correct the value, or remove the key to have the default."


_PATH_HINT = "Name a receiver by its module and its name in there, like 'shop.receivers.send'."
_OPTIONS_HINT = "Give the options of the receiver, or {} if it needs none."


class Problem(NamedTuple):
    """What is wrong with one key of the setting, and what to do about it."""

    key: str
    text: str
    hint: str


class _Wrong(Exception):
    """All that is wrong inside a value, as triples: where in the value, what, and what to do."""

    def __init__(self, found: list[tuple[str, str, str]]) -> None:
        super().__init__(found)
        self.found = found


def policy(value: object) -> Retry:
    """Accept a policy, the fields of one, or None for a single attempt."""
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
        raise _Wrong([("", f" is no retry policy: {text}", _POLICY_HINT) for text in found])
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


def policies(value: object) -> dict[str, Retry]:
    """Accept policies by their names."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise Unfit("a dict of names and policies", value)
    found: dict[str, Retry] = {}
    wrong: list[tuple[str, str, str]] = []
    for name, one in value.items():
        try:
            found[name] = policy(one)
        except _Wrong as errors:
            wrong += [(f"[{name!r}]{place}", text, hint) for place, text, hint in errors.found]
    if wrong:
        raise _Wrong(wrong)
    return found


def folded_names(value: object) -> frozenset[str]:
    """Accept names for which upper and lower case are alike."""
    return frozenset(name.casefold() for name in names(value))


def paths(value: object) -> tuple[str, ...]:
    """Accept dotted paths, in an order."""
    if not isinstance(value, (tuple, list)) or not all("." in path for path in names(value)):
        raise Unfit("a tuple of dotted paths", value)
    return tuple(value)


def options_by_path(value: object) -> dict[str, dict[str, Any]]:
    """Accept dotted paths, each with a dict of options, which somebody else looks at."""
    if not isinstance(value, dict):
        raise Unfit("a dict of dotted paths, each with a dict of options", value)
    found: dict[str, dict[str, Any]] = {}
    wrong: list[tuple[str, str, str]] = []
    for path, options in value.items():
        place = f"[{path!r}]"
        if not isinstance(path, str) or not all(path.rpartition(".")):
            wrong.append((place, " is no dotted path.", _PATH_HINT))
        elif not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
            wrong.append((place, f" must be a dict of options, got {options!r}.", _OPTIONS_HINT))
        else:
            found[path] = dict(options)
    if wrong:
        raise _Wrong(wrong)
    return found


def setting(validator: Validator[T], **default: Any) -> T:
    """Declare a key of the setting: what fits it, and its ``default`` or ``default_factory``."""
    found: T = field(metadata={"validator": validator}, **default)
    return found


def nested(kind: type[F]) -> Validator[F]:
    """Accept a dict of the keys that a class declares."""

    def validate(value: object) -> F:
        if not isinstance(value, dict):
            raise Unfit("a dict", value)
        found, problems = parse(kind, value, "")
        if problems:
            raise _Wrong([(text, "", hint) for _key, text, hint in problems])
        return found

    return validate


def parse(kind: type[F], raw: dict[Any, Any], where: str) -> tuple[F, list[Problem]]:
    """Read a dict; return the values that fit, and what is wrong with the others.

    Arguments:
        kind: declares the keys.
        raw: the dict.
        where: how the dict is called in the project's settings.
    """
    validators = {item.name: item.metadata["validator"] for item in fields(kind)}
    values: dict[str, Any] = {}
    found: list[Problem] = []
    for key, value in raw.items():
        place = f"{where}[{key!r}]"
        if key not in validators:
            hint = nearest(str(key), validators)
            found.append(Problem(str(key), f"{place} is not a setting.", hint))
            continue
        try:
            values[key] = validators[key](value)
        except _Wrong as errors:
            found += [
                Problem(key, f"{place}{inside}{text}", hint) for inside, text, hint in errors.found
            ]
        except Unfit as unfit:
            found.append(Problem(key, unfit.sentence(place), _VALUE_HINT))
    return kind(**values), found
