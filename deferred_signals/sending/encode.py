"""From the kwargs of a ``send()`` to those that travel: left out, added, marked, encoded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet

from deferred_signals.errors import SerializationError
from deferred_signals.receivers import registry
from deferred_signals.receivers.schemas import check_kwargs
from deferred_signals.sending.secrets import may_tell_secrets, secret_in
from deferred_signals.sending.states import names_of_states
from deferred_signals.serialization import (
    CODEC,
    Carrying,
    Same,
    Snapshot,
    SomeRows,
    Unencodable,
    encode_sender,
    is_saved,
    is_too_deep,
    key_set_form,
    may_be_too_deep,
    sender_value,
    unwrapped,
)
from deferred_signals.support.asking import ask
from deferred_signals.support.json import to_json

if TYPE_CHECKING:
    from django.dispatch import Signal

    from deferred_signals.conf import Settings
    from deferred_signals.receivers.catalogue import Entry
    from deferred_signals.receivers.conditions import Changes
    from deferred_signals.receivers.registry import Receiver
    from deferred_signals.serialization.marks import State

__all__ = ["Written", "write_kwargs", "write_sender"]


def write_sender(receiver: Receiver, signal: Signal, sender: Any) -> str:
    """The sender, encoded, as JSON.

    Raises:
        SerializationError: it cannot be found again by another process.
    """
    try:
        if isinstance(sender, type):
            return _write_class(sender)
        form = sender_value(sender)
        if "sender" in receiver.options.snapshot_names and isinstance(form, Model):
            form = Snapshot(form, "saved", receiver.options.exclude_fields)
        return to_json(encode_sender(receiver.codec, form))
    except Unencodable as error:
        raise _unencodable(receiver, signal, "sender", error) from None


@lru_cache(maxsize=1024)
def _write_class(sender: type) -> str:
    """A class as a sender, which most are: looked for among the modules once."""
    return to_json(encode_sender(CODEC, sender_value(sender)))


class Written(NamedTuple):
    """The kwargs of a message.

    Attributes:
        forms: encoded, by their names.
        text: the same as JSON.
    """

    forms: dict[str, Any]
    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """The kwargs' names."""
        return tuple(self.forms)


def write_kwargs(
    receiver: Receiver,
    signal: Signal,
    entry: Entry,
    sender: Any,
    kwargs: dict[str, Any],
    changes: Changes,
    settings: Settings,
) -> Written:
    """Encode the kwargs of a message as the receiver's options want them.

    Raises:
        SerializationError: a value cannot travel, or must not.
    """
    sent = kwargs
    if changes or entry.extract is not None or receiver.options.shapes_kwargs:
        sent = _shaped(receiver, signal, entry, sender, kwargs, changes)
    snapshots = receiver.options.snapshot_names
    if sum(type(value) not in _UNMARKED for value in sent.values()) > 1:
        sent = _told_once(sent)
        snapshots |= names_of_states(sent)
    written = _all_at_once(receiver, sent, snapshots)
    if written is None:
        forms = {
            name: _encoded(receiver, signal, name, value, snapshots, sent.get("model"))
            for name, value in sent.items()
        }
        written = Written(forms, to_json(forms))
    if may_tell_secrets(written.text, settings.SENSITIVE):
        exempt = "changes" if changes else ""
        _refuse_secrets(receiver, signal, written.forms, settings, exempt)
    return written


def _all_at_once(
    receiver: Receiver, sent: dict[str, Any], snapshots: frozenset[str]
) -> Written | None:
    """Encode all kwargs, where nothing is wrong with any of them."""
    encode = receiver.codec.encode_any
    try:
        forms = {
            name: value
            if (kind := type(value)) in _ENCODED
            else encode(value if kind in _UNMARKED else _marked(receiver, name, value, snapshots))
            for name, value in sent.items()
        }
        text = to_json(forms)
    except (Unencodable, RecursionError):
        return None
    return None if may_be_too_deep(text) and is_too_deep(*forms.values()) else Written(forms, text)


def _refuse_secrets(
    receiver: Receiver, signal: Signal, forms: dict[str, Any], settings: Settings, exempt: str
) -> None:
    for name, form in forms.items():
        path = secret_in({name: form}, settings.SENSITIVE) if name != exempt else None
        if path is not None:
            raise SerializationError(
                f"{_name(receiver, signal)}: kwarg {name!r} has the name of a secret, or holds something "
                f"of such a name ({path!r}), and a message is kept by the broker. Leave the kwarg out "
                f"with exclude=({name!r},), or take the name out of DEFERRED_SIGNALS['SENSITIVE']."
            )


def _told_once(sent: dict[str, Any]) -> dict[str, Any]:
    """Let the origin of a delete travel as the instance, where they are the same row."""
    instance, origin = sent.get("instance"), sent.get("origin")
    same = (
        isinstance(instance, Snapshot)
        and isinstance(origin, Snapshot)
        and type(instance.row) is type(origin.row)
        and instance.row.pk is not None
        and (instance.row is origin.row or instance.row.pk == origin.row.pk)
    )
    return {**sent, "origin": Same("instance")} if same else sent


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
    if options.exclude:  # what was added here may be unwanted, too
        sent = {name: value for name, value in sent.items() if name not in options.exclude}
    if options.capture is not None:
        sent = {**sent, **_captured(receiver, ask(options.capture, sender, kwargs))}
    return sent


def _encoded(
    receiver: Receiver,
    signal: Signal,
    name: str,
    value: Any,
    snapshots: frozenset[str],
    model: object,
) -> Any:
    """Encode as all at once, one by one, to say which kwarg cannot travel and why."""
    try:
        return receiver.codec.encode(_marked(receiver, name, value, snapshots))
    except Unencodable as error:
        if (
            name == "pk_set"
            and isinstance(model, type)
            and issubclass(model, Model)
            and isinstance(value, (set, frozenset))
        ):
            return key_set_form(model, value)  # keys of a type that only their field knows
        raise _unencodable(receiver, signal, name, error) from None


#: Types whose values are JSON already.
_ENCODED = frozenset({type(None), bool})

#: Types that need no mark, and are most of what is sent.
_UNMARKED = _ENCODED | {int, float, str}


def _marked(receiver: Receiver, name: str, value: Any, snapshots: frozenset[str]) -> Any:
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
    elif name in snapshots:
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
    remedy = error.remedy or _remedy(error.value, name)
    return SerializationError(
        f"{_name(receiver, signal)}: {name}{error.path} is of type "
        f"{kind.__module__}.{kind.__qualname__}, which cannot travel{reason}. {remedy}"
    )


def _remedy(value: object, name: str) -> str:
    """What to do about a value of a kind that nobody taught us."""
    if isinstance(value, Mapping):
        return "Send a dict: dict(...) of it."
    if isinstance(value, (Iterator, Collection)) and not isinstance(value, Model):
        return "Send a list: list(...) of it."
    return (
        f"Leave it out with exclude=({name!r},), read what the receiver needs of it at send with "
        f"capture=, or teach the type to travel with register_type()."
    )


def _name(receiver: Receiver, signal: Signal) -> str:
    return f"Signal {registry.name_of_signal(receiver, signal)}, receiver {receiver.name}"
