"""Lists, tuples, sets and dicts, whose items are of every other family."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from deferred_signals.serialization.hashing import first_with_own_code, sound_items
from deferred_signals.serialization.unencodable import Unencodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder

__all__ = ["install"]


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_encoder(list, _encode_list)
    codec.add_encoder(dict, _encode_dict)
    codec.add_decoder("$dict", _decode_dict)
    codec.add(tuple, "$tuple", list, _decode_tuple)
    for kind, tag in ((set, "$set"), (frozenset, "$frozenset")):
        codec.add(kind, tag, _hashable_items, partial(_decode_set, kind))


def _encode_list(value: list[Any], encoder: Encoder) -> list[Any]:
    encode = encoder.encode_any
    return [encode(item) for item in value]


def _encode_dict(value: dict[Any, Any], encoder: Encoder) -> dict[str, Any]:
    """Write a dict as itself, unless it looks like a tagged form or has keys that JSON lacks."""
    for key in value:
        if type(key) is not str or key[:1] == "$" or not key.isascii():
            encode = encoder.encode_any
            _hashable_items(value)
            return {"$dict": [[encode(key), encode(item)] for key, item in value.items()]}
    return encoder.encode_values(value)


def _decode_dict(pairs: Any) -> dict[Any, Any]:
    """Rebuild a dict that was written as pairs.

    Raises:
        TypeError, ValueError: they are no pairs, or their first parts cannot be keys.
    """
    if type(pairs) is not list:
        raise TypeError("a dict is written as a list of pairs")
    keys, items = [], []
    for key, item in pairs:
        keys.append(key)
        items.append(item)
    return dict(zip(sound_items(keys), items, strict=True))


def _decode_tuple(items: Any) -> tuple[Any, ...]:
    if type(items) is not list:
        raise TypeError("a tuple is written as a list")
    return tuple(items)


def _decode_set(kind: Callable[[Any], Any], items: Any) -> Any:
    return kind(sound_items(items))


def _hashable_items(items: Iterable[Any]) -> list[Any]:
    """List the items of a set, or the keys of a dict, which the worker has to hash again.

    Raises:
        Unencodable: hashing one of them would run a method of its own class there.
    """
    found = list(items)
    own = first_with_own_code(found)
    if own is not None:
        raise Unencodable(
            own,
            "a worker decodes without running a __hash__ or __eq__ of its own class, so it "
            "cannot be in a set or be a key",
            remedy="Send a list of them, or of pairs.",
        )
    return found
