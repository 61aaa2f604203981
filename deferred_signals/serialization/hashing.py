"""What may become an item of a set or a key of a dict, where Python hashes and compares it.

Hashing and comparing call methods of the item, before any receiver runs. So these methods must not
be a project's own. Nor may a message choose many items of one hash: each of them would be compared
with all others.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import FunctionType, MethodDescriptorType, NoneType, WrapperDescriptorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["first_with_own_code", "sound_items", "trust"]

#: How many items of one set, or keys of one dict, may have the same hash. By chance, hardly two of a
#: million have; an attacker can choose numbers that all have.
MOST_ALIKE = 16

#: Types of nearly all items and keys. They need no check.
_PLAIN = frozenset({bool, bytes, float, int, str, NoneType})

#: Packages whose methods may run.
_TRUSTED = sys.stdlib_module_names | {"django", "deferred_signals"}

_BUILT_IN = (WrapperDescriptorType, MethodDescriptorType, NoneType)

#: Types that a project decodes by a function of its own, and so answers for.
_registered: set[type] = set()


def trust(kind: type) -> None:
    """Let values of a type be hashed by its own methods, since the project itself decodes them."""
    _registered.add(kind)


def sound_items(items: Any) -> list[Any]:
    """Return what is to become the items of a set, or the keys of a dict, if it may.

    Raises:
        TypeError: it is no list, or an item has methods of its own to hash or compare it.
        ValueError: more than `MOST_ALIKE` items have the same hash.
    """
    if type(items) is not list:
        raise TypeError("items are written as a list")
    if first_with_own_code(items) is not None:
        raise TypeError("an item has a __hash__ or __eq__ of its own")
    _check_hashes(items)
    return items


def _check_hashes(items: Sequence[Any]) -> None:
    """Refuse items of which more than `MOST_ALIKE` have the same hash.

    Raises:
        TypeError: an item cannot be hashed.
        ValueError: too many have the same hash.
    """
    if len(items) <= MOST_ALIKE:
        deque(map(hash, items), maxlen=0)  # whether they can be hashed at all
        return
    hashes = sorted(map(hash, items))
    if any(map(int.__eq__, hashes, hashes[MOST_ALIKE:])):
        raise ValueError("too many items have the same hash")


def first_with_own_code(items: Collection[Any]) -> Any:
    """Find an item whose ``__hash__`` or ``__eq__`` a project wrote; None if there is none."""
    if _PLAIN.issuperset(map(type, items)):
        return None
    return next(filter(_hashed_by_own_code, items), None)


def _hashed_by_own_code(value: Any) -> bool:
    kind: Any = type(value)
    if not _has_built_in_hash(kind):
        return True
    if isinstance(value, (tuple, frozenset)):
        return any(map(_hashed_by_own_code, value))
    if is_dataclass(kind):
        return any(_hashed_by_own_code(getattr(value, item.name)) for item in fields(kind))
    return False


@lru_cache(maxsize=1024)
def _has_built_in_hash(kind: type) -> bool:
    return kind in _registered or not (_is_own(kind.__hash__) or _is_own(kind.__eq__))


def _is_own(method: Any) -> bool:
    if isinstance(method, _BUILT_IN):
        return False
    if not isinstance(method, FunctionType):
        return True
    # `dataclasses` compiles the methods that it generates from a text, which has no file.
    is_generated = method.__code__.co_filename == "<string>"
    return not is_generated and method.__module__.partition(".")[0] not in _TRUSTED
