"""Members of enums: they travel as the enum's path, the member's name and its value.

Any enum of a loaded module will do. A member is looked up among those that there are, and the enum is
never called: ``Enum(value)`` would run ``_missing_``, and a flag would keep each combination for good.
"""

from __future__ import annotations

from enum import Enum, EnumType, Flag
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from deferred_signals.errors import NotKnownHere
from deferred_signals.serialization.lookups import find_path, path_of
from deferred_signals.serialization.unencodable import Unencodable, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deferred_signals.serialization.encoder import Encoder

__all__ = ["decode", "encode", "encode_declared"]

#: Types of values that are written beside a member's name. Comparing them runs no project's code.
_PLAIN = frozenset({bool, int, float, str})

#: Bits of the largest flag whose combinations are rebuilt. Python keeps each combination for good.
MOST_BITS = 32


def encode(value: Enum, _encoder: Encoder) -> Any:
    """Write a member of an enum that a worker finds by its path.

    Raises:
        Unencodable: the path leads elsewhere, or the value is no single member.
    """
    kind = type(value)
    if find_path(path_of(kind)) is not kind:
        raise Unencodable(
            value,
            f"a worker finds an enum by its path, and {path_of(kind)} does not lead to it",
            remedy="Define the enum at the top of a module, or send its value.",
        )
    if value.name not in _members(kind):
        raise Unencodable(
            value,
            "a worker combines the members of a flag only if the flag is declared",
            remedy=f"Annotate the receiver's argument with {kind.__name__}, or call "
            f"register_type({kind.__name__}).",
        )
    return _form(value)


def encode_declared(value: Any, _encoder: Encoder) -> Any:
    """Write a member of an enum that code declared, or a combination of a flag's members.

    Raises:
        Unencodable: a combination cannot be rebuilt.
    """
    kind = type(value)
    if value.name in _members(kind):
        return _form(value)
    parts = [member for member in _members(kind).values() if member.value and member in value]
    if _combined(kind, parts) != value or _width(kind) > MOST_BITS:
        raise Unencodable(
            value,
            f"it has bits that are no member's, or more than {MOST_BITS}",
            remedy="Send its value.",
        )
    return {"$enum": [path_of(kind), [member.name for member in parts]]}


def _form(value: Enum) -> Any:
    plain = [value.value] if type(value.value) in _PLAIN and value.value == value.value else []
    return {"$enum": [path_of(type(value)), value.name, *plain]}


def decode(parts: Any, declared: Mapping[str, Any]) -> Any:
    """Find a member again.

    Arguments:
        parts: path, name and value; or path and the names of a combination's members.
        declared: types that code declared, by path.

    Raises:
        NotKnownHere: this process has no such enum, or no such member of it.
        TypeError, ValueError: no encoder writes such parts.
    """
    path, name, *values = parts
    if type(path) is not str or len(values) > 1:
        raise TypeError("a member is written as a path, a name and a value")
    kind = declared.get(path) or find_path(path)
    if not issubclass(type(kind), EnumType):
        raise NotKnownHere(f"There is no enum {brief(path)} in this process.")
    if path in declared and (type(name) is list or name is None):
        return _rebuilt(kind, _members(kind), name, values)
    if type(name) is not str:
        raise TypeError("a member has a name")
    return _member(kind, path, name, values)


def _member(kind: Any, path: str, name: str, values: list[Any]) -> Any:
    """Find a member by its name, or else, where its value is a text, by the value: it may be renamed."""
    members = _members(kind)
    found = members.get(name)
    if not values:
        if found is None:
            raise NotKnownHere(f"The enum {brief(path)} has no member {brief(name)} here.")
        return found
    (value,) = values
    if found is not None and _has_value(found, value):
        return found
    if type(value) is str:
        for member in members.values():
            if _has_value(member, value):
                return member
    raise NotKnownHere(f"The enum {brief(path)} has no member {brief(name)} of this value here.")


def _has_value(member: Any, value: Any) -> bool:
    own = member.value
    return type(own) is type(value) and type(own) in _PLAIN and own == value


def _rebuilt(kind: Any, members: Mapping[str, Any], names: Any, values: list[Any]) -> Any:
    """Rebuild a combination of a declared flag's members, from their names.

    Older messages have the combination's bits instead.
    """
    if not issubclass(kind, Flag) or _width(kind) > MOST_BITS:
        raise TypeError("only flags of few bits are combined")
    if names is None:
        (bits,) = values
        parts = [member for member in members.values() if member.value & bits == member.value]
        if type(bits) is not int or reduce(or_, (part.value for part in parts), 0) != bits:
            raise ValueError("the bits of a flag are no members'")
        return _combined(kind, parts)
    if not all(type(name) is str for name in names) or len(names) > len(members):
        raise TypeError("a combination is written as the names of its members")
    unknown = [name for name in names if name not in members]
    if unknown:
        raise NotKnownHere(f"A flag has no member {brief(unknown[0])} in this process.")
    return _combined(kind, [members[name] for name in names])


def _combined(kind: Any, parts: list[Any]) -> Any:
    return reduce(or_, parts) if parts else kind(0)


def _width(kind: Any) -> int:
    return max((member.value.bit_length() for member in _members(kind).values()), default=0)


#: Names and members, aliases included. It is `EnumType`'s own property, since an enum may have a
#: metaclass that says something else.
_members: Callable[[Any], Mapping[str, Any]] = EnumType.__members__.fget  # type: ignore[attr-defined]  # a property
