"""What may become an item of a set or a key of a dict: Python hashes it there, and compares it.

Both call methods of the item, and both are done before any receiver has a say. So the methods must
not be a project's own, and no message may choose items that all have one hash: each would be
compared with all others.
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

#: How many items of one set, or keys of one dict, may have the same hash. Chance makes no two of a
#: million alike; somebody who chooses the numbers can make all alike.
MOST_ALIKE = 16

#: Types of what sets and keys are made of nearly always, of which nothing needs to be asked.
_PLAIN = frozenset({bool, bytes, float, int, str, NoneType})

#: Where a method may come from: whoever wrote it, no message chose it.
_TRUSTED = sys.stdlib_module_names | {"django", "deferred_signals"}

_BUILT_IN = (WrapperDescriptorType, MethodDescriptorType, NoneType)

#: Types that a project taught us to decode by a function of its own: their methods are its affair.
_registered: set[type] = set()


def trust(kind: type) -> None:
    """Let values of a type be hashed, since the project itself decodes them."""
    _registered.add(kind)


def sound_items(items: Any) -> list[Any]:
    """Check what is to become the items of a set, or the keys of a dict; give it back.

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
        ValueError: they do.
    """
    if len(items) <= MOST_ALIKE:
        deque(map(hash, items), maxlen=0)  # whether they can be hashed at all
        return
    hashes = sorted(map(hash, items))
    if any(map(int.__eq__, hashes, hashes[MOST_ALIKE:])):
        raise ValueError("too many items have the same hash")


def first_with_own_code(items: Collection[Any]) -> Any:
    """Find an item which to hash or to compare runs a method that a project wrote; None if there is none."""
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
    # `dataclasses` compiles the methods that it writes from a text, which has no file.
    written = method.__code__.co_filename == "<string>"
    return not written and method.__module__.partition(".")[0] not in _TRUSTED
