"""Tell how a receiver is deferred: what its declaration gives, and what the settings make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError
from deferred_signals.map.entries import Callback, Deferral, Told
from deferred_signals.map.names import module_and_name
from deferred_signals.policies import Retry
from deferred_signals.publishing.queues import queue_of_task
from deferred_signals.receivers import foreign
from deferred_signals.receivers.conditions import ANY, Changed
from deferred_signals.receivers.options import (
    DEFAULT_POLICY,
    OPTIONS,
    Options,
    is_durable,
    policy_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.map.names import Names
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["callables_in", "deferral_of", "exceptions"]


def deferral_of(receiver: Receiver, names: Names) -> Deferral:
    """Tell how a receiver is deferred."""
    options = receiver.options
    given = {name: getattr(options, name) for name in _NAMES}
    try:
        retry = policy_of(options)
    except ConfigurationError:  # the system check E002 tells of it
        retry = None
    policy = options.retry if isinstance(options.retry, str) else DEFAULT_POLICY
    return Deferral(
        queue=_queue_of(receiver, names),
        policy=None if policy == DEFAULT_POLICY else policy,
        retry=retry,
        durable=is_durable(options),
        options={
            name: _told(value, names)
            for name, value in given.items()
            if not _is_same(value, OPTIONS[name].default)
        },
        by_settings=foreign.in_force().has_deferred(foreign.path_of(receiver)),
    )


def callables_in(options: Options) -> Iterator[Any]:
    """Give the callables among the values of options."""
    return (value for name in _NAMES if callable(value := getattr(options, name)))


def exceptions(given: Any) -> tuple[str, ...]:
    """Name exception types, those that are built in without their module."""
    kinds = given if isinstance(given, tuple) else (given,)
    return tuple(_path(kind).removeprefix("builtins.") for kind in kinds)


#: The options that are no part of a connection or of the name.
_NAMES = tuple(name for name in OPTIONS if name in Options.__dataclass_fields__)


def _queue_of(receiver: Receiver, names: Names) -> str | Callback | None:
    queue = receiver.options.queue
    if queue is None:
        return conf.current().QUEUE or queue_of_task(receiver.name)
    return str.__str__(queue) if isinstance(queue, str) else Callback(names.of(queue))


def _is_same(value: Any, default: Any) -> bool:
    """Compare without asking a value that is of another type, which may compare as it likes."""
    return value is default or (type(value) is type(default) and bool(value == default))


def _told(value: Any, names: Names) -> Told:
    """Write the value of an option in a way that is the same in each process, and shows no secrets."""
    kind = type(value)
    for plain, plainly in _PLAINLY:
        if issubclass(kind, plain):
            return plainly(value)
    if kind is tuple:
        return _types(value) or tuple(map(str, value))
    if kind is frozenset or issubclass(kind, Mapping):
        return tuple(
            sorted(map(str, value))
        )  # of headers only the names, as their values may be secret
    return Callback(names.of(value))


def _types(value: tuple[Any, ...]) -> tuple[str, ...]:
    return exceptions(value) if all(isinstance(item, type) for item in value) else ()


def _same(value: Any) -> Any:
    return value


def _path(kind: type) -> str:
    return ".".join(module_and_name(kind))


def _condition(condition: Any) -> str:
    words = [repr(name) for name in condition.fields]
    for name in ("to", "was"):
        value = getattr(condition, name)
        if value is not ANY:
            words.append(f"{name}={_constant(value)}")
    return f"changed({', '.join(words)})"


def _constant(value: Any) -> str:
    """Write a value that a condition compares with; no code of the value's class runs."""
    kind = type(value)
    if kind in {bool, int, float, str, type(None)}:
        return repr(value)
    path = module_and_name(kind)[1]
    return f"{path}.{value._name_}" if issubclass(kind, Enum) else f"<{path}>"


#: How a value of a class is written; it may be of a class that is derived, like a member of an enum.
_PLAINLY: tuple[tuple[type, Callable[[Any], Told]], ...] = (
    (type(None), _same),
    (bool, _same),
    (Retry, _same),
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (datetime, datetime.isoformat),
    (type, _path),
    (Changed, _condition),
)
