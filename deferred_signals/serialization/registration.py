"""`register_type`: teaches every receiver a type of the project's own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import Field

from deferred_signals.errors import DecodeError, NotKnownHere, RegistrationError
from deferred_signals.serialization import declared, hashing, trusted_fields
from deferred_signals.serialization.codecs import CODEC
from deferred_signals.serialization.lookups import path_of
from deferred_signals.serialization.pending import made

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_type"]

#: The tags that projects registered, with the path of the class that each is for.
_tags: dict[str, str] = {}


def register_type(
    cls: type,
    encode: Callable[[Any], Any] | None = None,
    decode: Callable[[Any], Any] | None = None,
    tag: str | None = None,
) -> None:
    """Let values of a type of your own travel to every receiver.

    Dataclasses, named tuples and flags whose members are combined need no functions:
    ``register_type(Parcel)``. They need no registration either, where a receiver's annotations or
    its ``schema`` mention them.

    A class of model fields needs no functions either: ``register_type(MoneyField)``. Its
    ``to_python`` may then read values of snapshots, which are data from outside.

    Call it where sender and worker both import it: in ``models.py``, or in ``AppConfig.ready()``.

    Arguments:
        cls: the type; types derived from it are not meant.
        encode: gives a value that can travel.
        decode: makes an equal value of what ``encode`` gave. It gets data from outside.
        tag: the type's name in messages. Never change it, or older messages cannot be read.

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
        _declare(cls, path)
        return
    if not callable(encode) or not callable(decode) or not isinstance(tag, str) or not tag:
        raise RegistrationError(
            f"register_type({path}) needs all of encode=, decode= and tag= (a text), got "
            f"{encode!r}, {decode!r} and {tag!r}."
        )
    key = f"${tag}"
    if CODEC.knows_tag(key) and _tags.get(key) != path:
        taken = _tags.get(key, "the library itself")
        raise RegistrationError(f"The tag {tag!r} is taken by {taken}: choose another for {path}.")
    if CODEC.knows_type(cls) and path not in _tags.values():
        raise RegistrationError(f"{path} can travel already: it needs no registration.")
    _tags[key] = path
    hashing.trust(cls)
    CODEC.add(cls, key, encode, partial(made, partial(_decode, decode)))


def _declare(cls: type, path: str) -> None:
    if issubclass(cls, Field):
        trusted_fields.register_field(cls)
    elif declared.declarable(cls):
        declared.register(CODEC, cls)
    else:
        raise RegistrationError(
            f"{path} is no enum, dataclass, named tuple or class of fields: give register_type encode=, "
            f"decode= and tag= as well."
        )


def _decode(decode: Callable[[Any], Any], parts: Any) -> Any:
    """Call a registered function with data from outside, whatever it does to that."""
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
