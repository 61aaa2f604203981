"""Lists and dicts, which hold what every other family encodes; and how deep they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deferred_signals.serialization.hashing import first_with_own_code, sound_items
from deferred_signals.serialization.refusals import Unencodable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deferred_signals.serialization.codec import Codec

__all__ = [
    "decode_dict",
    "encode_dict",
    "encode_list",
    "hashable_items",
    "is_too_deep",
    "may_be_too_deep",
]

#: How deep a JSON form may be. The sender's stack may be deeper, or less deep, than the worker's:
#: what one can encode, the other must be able to decode.
MAX_NESTING = 100

_HOLDERS = frozenset({dict, list})


def is_too_deep(*forms: Any) -> bool:
    """Whether more dicts and lists are inside one another, in one of the forms, than `MAX_NESTING`.

    >>> is_too_deep({"lines": [[1], [2]]}, 7)
    False
    """
    holders = [form for form in forms if type(form) in _HOLDERS]
    for _ in range(MAX_NESTING):
        if not holders:
            return False
        holders = [
            inner
            for item in holders
            for inner in (item.values() if type(item) is dict else item)
            if type(inner) in _HOLDERS
        ]
    return bool(holders)


def may_be_too_deep(text: str) -> bool:
    """Whether a JSON text has so many brackets that its form could be too deep."""
    return text.count("{") + text.count("[") > MAX_NESTING


def encode_list(value: list[Any], codec: Codec) -> list[Any]:
    """Encode each item."""
    encode = codec.encode_any
    return [encode(item) for item in value]


def encode_dict(value: dict[Any, Any], codec: Codec) -> dict[str, Any]:
    """Encode a dict as it is, unless it could be mistaken for a tag or has keys that JSON has not."""
    for key in value:
        if type(key) is not str or key[:1] == "$" or not key.isascii():
            encode = codec.encode_any
            hashable_items(value)
            return {"$dict": [[encode(key), encode(item)] for key, item in value.items()]}
    return codec.encode_values(value)


def decode_dict(pairs: Any) -> dict[Any, Any]:
    """Rebuild a dict that was written as pairs.

    Raises:
        TypeError, ValueError: they are no pairs, or the keys cannot be keys.
    """
    if type(pairs) is not list:
        raise TypeError("a dict is written as a list of pairs")
    keys, items = [], []
    for key, item in pairs:
        keys.append(key)
        items.append(item)
    return dict(zip(sound_items(keys), items, strict=True))


def hashable_items(items: Iterable[Any]) -> list[Any]:
    """List the items of a set, or the keys of a dict, which a worker has to hash again.

    Raises:
        Unencodable: hashing one of them there would run code of its own.
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
