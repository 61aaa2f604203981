"""From the kwargs of a ``send()`` to those that travel: left out, added, marked, encoded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet

from deferred_signals import registry
from deferred_signals.errors import SerializationError
from deferred_signals.json_text import to_json
from deferred_signals.schemas import check_kwargs
from deferred_signals.serialization import (
    CODEC,
    Carrying,
    Snapshot,
    SomeRows,
    Unencodable,
    is_saved,
    is_too_deep,
    may_be_too_deep,
    sender_form,
    unwrapped,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.dispatch import Signal

    from deferred_signals.catalogue import Entry
    from deferred_signals.conditions import Changes
    from deferred_signals.conf import Settings
    from deferred_signals.registry import Receiver
    from deferred_signals.serialization.snapshot import State

__all__ = ["write_kwargs", "write_sender"]


def write_sender(receiver: Receiver, signal: Signal, sender: Any) -> str:
    """The sender, encoded, as JSON.

    Raises:
        SerializationError: it cannot be found again by another process.
    """
    try:
        if isinstance(sender, type):
            return _write_class(sender)
        return to_json(receiver.codec.encode(sender_form(sender)))
    except Unencodable as error:
        raise _unencodable(receiver, signal, "sender", error) from None


@lru_cache(maxsize=1024)
def _write_class(sender: type) -> str:
    """A class as a sender, which most are: looked for among the modules once."""
    return to_json(CODEC.encode(sender_form(sender)))


def write_kwargs(
    receiver: Receiver,
    signal: Signal,
    entry: Entry,
    sender: Any,
    kwargs: dict[str, Any],
    changes: Changes,
    settings: Settings,
) -> tuple[tuple[str, ...], str]:
    """The kwargs of a message as the receiver's options want them: their names, and their JSON.

    Raises:
        SerializationError: a value cannot travel, or must not.
    """
    sent = kwargs
    if changes or entry.extract is not None or receiver.options.shapes_kwargs:
        sent = _shaped(receiver, signal, entry, sender, kwargs, changes)
    if not settings.SENSITIVE.isdisjoint(sent):
        name = min(settings.SENSITIVE.intersection(sent))
        raise SerializationError(
            f"{_name(receiver, signal)}: kwarg {name!r} has the name of a secret, and a message is "
            f"kept by the broker. Leave it out with exclude=({name!r},), or take the name out of "
            f"DEFERRED_SIGNALS['SENSITIVE']."
        )
    encode = receiver.codec.encode_any
    try:
        forms = {
            name: value
            if (kind := type(value)) in _ENCODED
            else encode(value if kind in _UNMARKED else _marked(receiver, name, value))
            for name, value in sent.items()
        }
        text = to_json(forms)
        if not may_be_too_deep(text) or not is_too_deep(*forms.values()):
            return tuple(forms), text
    except (Unencodable, RecursionError):
        pass
    forms = {name: _encoded(receiver, signal, name, value) for name, value in sent.items()}
    return tuple(forms), to_json(forms)


def _shaped(
    receiver: Receiver,
    signal: Signal,
    entry: Entry,
    sender: Any,
    kwargs: dict[str, Any],
    changes: Changes,
) -> dict[str, Any]:
    """The kwargs that travel, where they are not those of the send."""
    options = receiver.options
    if options.schema is not None:
        check_kwargs(_name(receiver, signal), options.schema, kwargs)
    sent = {name: value for name, value in kwargs.items() if name not in options.exclude}
    if entry.extract is not None:
        sent = entry.extract(sent)
    if changes:
        sent = {**sent, "changes": changes}
    if options.capture is not None:
        sent = {**sent, **_captured(receiver, options.capture(sender, **kwargs))}
    return sent


def _encoded(receiver: Receiver, signal: Signal, name: str, value: Any) -> Any:
    """As all at once, one by one, to say which kwarg cannot travel and why."""
    try:
        return receiver.codec.encode(_marked(receiver, name, value))
    except Unencodable as error:
        raise _unencodable(receiver, signal, name, error) from None


#: Types whose values are JSON already.
_ENCODED = frozenset({type(None), bool})

#: Types that need no mark, and are most of what is sent.
_UNMARKED = _ENCODED | {int, float, str}


def _marked(receiver: Receiver, name: str, value: Any) -> Any:
    """A value with the mark that says how much of it travels."""
    value = unwrapped(value)
    if isinstance(value, QuerySet):
        return SomeRows(value) if name in receiver.parameters else value
    if not isinstance(value, (Model, Snapshot)):
        return value
    options = receiver.options
    row = value.row if isinstance(value, Snapshot) else value
    if isinstance(value, Snapshot):
        value = Snapshot(row, value.state, options.exclude_fields)
    elif name in options.snapshot_names:
        state: State = "saved" if is_saved(row) else "unsaved"
        value = Snapshot(row, state, options.exclude_fields)
    if options.carry and name == "instance":
        carried = dict(_carried(row, options.carry))
        return Carrying(value, carried) if carried else value
    return value


def _carried(row: Model, paths: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The attributes that are there; one that nobody set is not set where they arrive either."""
    for path in paths:
        value: Any = row
        with suppress(AttributeError, ObjectDoesNotExist):
            for step in path.split("."):
                value = getattr(value, step)
            yield path, value


def _captured(receiver: Receiver, captured: object) -> dict[str, Any]:
    if isinstance(captured, Mapping) and captured.keys().isdisjoint({"signal", "sender"}):
        return dict(captured)
    raise SerializationError(
        f"capture= of {receiver.name!r} must give a dict of kwargs without 'signal' and 'sender', "
        f"got {type(captured).__name__}."
    )


def _unencodable(
    receiver: Receiver, signal: Signal, name: str, error: Unencodable
) -> SerializationError:
    kind = type(error.value)
    reason = f": {error.reason}" if error.reason else ""
    return SerializationError(
        f"{_name(receiver, signal)}: {name}{error.path} is of type "
        f"{kind.__module__}.{kind.__qualname__}, which cannot travel{reason}. "
        f"Leave it out with exclude=({name!r},), read what the receiver needs of it at send with "
        f"capture=, or teach the type to travel with register_type()."
    )


def _name(receiver: Receiver, signal: Signal) -> str:
    return f"Signal {registry.name_of_signal(receiver, signal)}, receiver {receiver.name}"
