"""The codec of every message, filled by all families, and `register_type` to add to it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import Field, Model

from deferred_signals.errors import DecodeError, NotKnownHere, RegistrationError
from deferred_signals.serialization import (
    fields,
    hashing,
    known,
    models,
    objects,
    querysets,
    requests,
    rows,
    senders,
    values,
)
from deferred_signals.serialization.codec import Codec
from deferred_signals.serialization.lookups import path_of
from deferred_signals.serialization.pending import made
from deferred_signals.serialization.snapshot import Same, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from deferred_signals.serialization.snapshot import State

__all__ = ["CODEC", "codec_for", "decode_call", "decode_sender", "encode_sender", "register_type"]

CODEC = Codec()
for _family in (values, objects, models, rows, querysets, requests, senders, known):
    _family.install(CODEC)
values.install_derived(CODEC)

#: For senders, which alone may be classes, functions and modules.
SENDERS = CODEC.child()
senders.install_named(SENDERS)

#: Tags of `register_type`, with the path of the class that each is for.
_tags: dict[str, str] = {}


def register_type(
    cls: type,
    encode: Callable[[Any], Any] | None = None,
    decode: Callable[[Any], Any] | None = None,
    tag: str | None = None,
) -> None:
    """Let values of a type of your own travel to every receiver.

    Dataclasses and named tuples need no functions: ``register_type(Parcel)``. They need no
    registration either, where a receiver's annotations or ``schema`` mention them. So it is with a
    flag whose members are combined.

    A class of model fields needs no functions either: ``register_type(MoneyField)``. Its
    ``to_python`` may then read values of snapshots, which are data from outside.

    Call it where sender and worker both import it: in ``models.py``, or in ``AppConfig.ready()``.

    Arguments:
        cls: the type; types derived from it are not meant.
        encode: gives a value that can travel.
        decode: makes an equal value of what ``encode`` gave. It gets data from outside.
        tag: the type's name in messages, yours for ever.

    Raises:
        RegistrationError: the type or the tag is taken, or an argument is missing.

    >>> class Money:
    ...     def __init__(self, cents):
    ...         self.cents = cents
    >>> register_type(Money, encode=lambda money: money.cents, decode=Money, tag="docs.money")
    >>> [money.cents for money in CODEC.decode(CODEC.encode([Money(250)]))]
    [250]
    """
    if not isinstance(cls, type):
        raise RegistrationError(f"register_type takes a class, got {cls!r}.")
    path = path_of(cls)
    if encode is None and decode is None and tag is None:
        if issubclass(cls, Field):
            fields.register_field(cls)
            return
        if not known.is_own(cls):
            raise RegistrationError(
                f"{path} is no enum, dataclass, named tuple or class of fields: give register_type encode=, "
                f"decode= and tag= as well."
            )
        known.register(CODEC, cls)
        return
    if not callable(encode) or not callable(decode) or not isinstance(tag, str) or not tag:
        raise RegistrationError(
            f"register_type({path}) needs all of encode=, decode= and tag= (a text), got "
            f"{encode!r}, {decode!r} and {tag!r}."
        )
    key = f"${tag}"
    if CODEC.knows_tag(key) and _tags.get(key) != path:
        taken = _tags.get(key, "the library itself")
        raise RegistrationError(f"The tag {tag!r} is taken, by {taken}: choose another for {path}.")
    if CODEC.knows_type(cls) and path not in _tags.values():
        raise RegistrationError(f"{path} can travel already: it needs no registration.")
    _tags[key] = path
    hashing.trust(cls)
    CODEC.add(cls, key, encode, partial(made, partial(_decode, decode)))


def _decode(decode: Callable[[Any], Any], parts: Any) -> Any:
    """What a registered function makes of data from outside, whatever that does to it."""
    try:
        return decode(parts)
    except NotKnownHere:
        raise
    except Exception as error:  # noqa: BLE001 - see above; its text may quote the value
        name = getattr(decode, "__qualname__", type(decode).__qualname__)
        raise DecodeError(
            f"{name}, which was given to register_type(), could not decode a value: "
            f"{type(error).__name__}.",
            parts,
        ) from None


def codec_for(
    function: Callable[..., Any],
    schema: type | None = None,
    *,
    snapshot: bool = False,
    exclude_fields: frozenset[str] = frozenset(),
    carry: Collection[str] = (),
) -> Codec:
    """The codec of one receiver.

    Arguments:
        function: whose annotations mention types of the project's own.
        schema: mentions more of them.
        snapshot: instances travel as their values, wherever they are.
        exclude_fields: fields that stay behind when they do.
        carry: paths of attributes that are set on instances which carry them.
    """
    declared = known.declared_types(function, *(() if schema is None else (schema,)))
    if not declared and not snapshot and not exclude_fields and not carry:
        return CODEC
    codec = CODEC.child()
    known.teach(codec, *declared)
    rows.let_carry(codec, carry)

    def encode_row(row: Model, codec: Codec) -> Any:
        if models.is_saved(row) and not snapshot:
            return models.encode_row(row, codec)
        state: State = "saved" if models.is_saved(row) else "unsaved"
        return codec.encode_any(Snapshot(row, state, exclude_fields))

    codec.add_encoder(Model, encode_row, subclasses=True)
    return codec


def encode_sender(codec: Codec, sender: Any) -> Any:
    """Write what `sender_form` gave: by a receiver's codec, but for what only senders may be.

    Raises:
        Unencodable: it cannot travel.
    """
    return (SENDERS if isinstance(sender, senders.Named) else codec).encode(sender)


def decode_sender(form: Any) -> Any:
    """Read a sender.

    Raises:
        DecodeError: it is none that `encode_sender` writes.
    """
    return SENDERS.decode(form)


def decode_call(codec: Codec, kwargs: dict[str, Any], sender: Any) -> dict[str, Any]:
    """Read the kwargs of a call, its sender among them.

    Arguments:
        codec: the receiver's.
        kwargs: encoded.
        sender: encoded.

    Raises:
        DecodeError: one of them is none that is ever sent.
    """
    decoded = codec.decode_values(kwargs)
    for name, value in decoded.items():
        if type(value) is Same:
            decoded[name] = decoded.get(value.name)
    return {**decoded, "sender": decode_sender(sender)}
