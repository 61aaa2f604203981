"""Which calls an assertion means, and how each call that waits differs from those."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from django.db.models import Model

from deferred_signals.errors import InvalidReceiver
from deferred_signals.receivers import registry
from deferred_signals.receivers.naming import identity
from deferred_signals.serialization import Reference, key_of
from deferred_signals.support.hints import nearest
from deferred_signals.testing.calls import ABOUT, shown
from deferred_signals.testing.pending import unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.testing.calls import Call

__all__ = ["Target", "check_names", "differences", "instead", "receivers_of"]

#: How a test names a receiver: the function itself, or the receiver's name.
Target = Callable[..., Any] | str

#: How similar a kwarg's name must be to a parameter's to count as its misspelling; 1 is equal.
ALIKE = 0.8


def receivers_of(target: Target, gathered: Iterable[Receiver]) -> list[Receiver]:
    """Find the receivers that a test means: one function may be deferred under several names.

    Arguments:
        target: the function or the name that the test gave.
        gathered: receivers of messages that wait; they need not be registered any more.

    Raises:
        InvalidReceiver: ``target`` is no deferred receiver; the error names the nearest one.
    """
    known = list({id(item): item for item in (*registry.all_receivers(), *gathered)}.values())
    found = [receiver for receiver in known if _is(receiver, target)]
    if found:
        return found
    names = [receiver.name for receiver in known]
    hint = nearest(_path(target), names) if names else "There are no deferred receivers."
    raise InvalidReceiver(
        f"{_path(target)!r} is no deferred receiver: it is connected without deferred=True, or the "
        f"module that connects it is not imported. {hint}"
    )


def check_names(receivers: list[Receiver], calls: list[Call], kwargs: dict[str, Any]) -> None:
    """Refuse names of kwargs that the receiver never gets, as no call would ever match.

    Raises:
        TypeError: the receiver excludes a name, or a name is the misspelling of a parameter.
    """
    parameters = {name for receiver in receivers for name in _declared(receiver)}
    got = {name for call in calls for name in call.kwargs}
    for name in kwargs.keys() - parameters - got - {"sender", *ABOUT}:
        where = receivers[0].name
        if any(name in receiver.options.exclude for receiver in receivers):
            raise TypeError(f"{where!r} never gets the kwarg {name!r}: its exclude= names it.")
        known = [*parameters, *ABOUT]
        for match in difflib.get_close_matches(name, known, n=1, cutoff=ALIKE):
            raise TypeError(f"{where!r} has no kwarg {name!r}. Did you mean {match!r}?")


def differences(call: Call, kwargs: dict[str, Any]) -> list[str]:
    """Tell in words which values of a call are not the expected ones."""
    about = {name: getattr(call, name) for name in ABOUT}
    values = {"sender": call.sender, **about, **call.kwargs}
    found = []
    for name, expected in kwargs.items():
        if name not in values:
            found.append(f"no {name}")
        elif not _matches(values[name], expected):
            found.append(shown({name: values[name]}))
    return found


def instead(calls: list[Call], names: frozenset[str], kwargs: dict[str, Any]) -> str:
    """Tell what was deferred instead, the nearest call first."""
    if any(message.receiver in names for message in unfinished()):
        lines = ["Such a message waits for the end of an atomic() block that is still open."]
    else:
        lines = ["These were, the nearest first:" if calls else "Nothing was."]
    nearest_first = sorted(
        calls, key=lambda call: (call.receiver not in names, len(differences(call, kwargs)))
    )
    for call in nearest_first:
        differs = ", ".join(differences(call, kwargs)) if call.receiver in names else ""
        lines.append(f"  {call}" + (f"  <- {differs}" if differs else ""))
    return "\n".join(lines)


def _is(receiver: Receiver, target: Target) -> bool:
    if isinstance(target, str):
        return target == receiver.name or target in receiver.options.aliases
    try:
        return identity(receiver.function) == identity(target)
    except ReferenceError:  # connected by a weak reference, and the function is gone
        return False


def _path(target: object) -> str:
    if isinstance(target, str):
        return target
    if hasattr(target, "__qualname__"):
        return f"{getattr(target, '__module__', '')}.{target.__qualname__}"
    return repr(target)


def _declared(receiver: Receiver) -> set[str]:
    """Return the names of kwargs in the receiver's signature and schema."""
    schema: Any = receiver.options.schema
    promised = set() if schema is None else {field.name for field in fields(schema)}
    return promised | receiver.parameters - {"sender", "signal", "self"}


def _matches(value: Any, expected: Any) -> bool:
    if isinstance(value, Reference) and isinstance(expected, Model):
        concrete = expected._meta.concrete_model is value.model._meta.concrete_model
        return concrete and value.pk == key_of(expected)
    if callable(expected) and not isinstance(expected, type) and not isinstance(value, type):
        return bool(expected(value))
    return bool(value == expected)
