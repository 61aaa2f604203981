"""Types of the project's own: enums, dataclasses and named tuples that a receiver declares.

A payload names such a type by its dotted path, and only types that code declared are found by it:
those that a receiver's annotations or its ``schema`` mention, those of their fields, and those
given to `register_type`. Members and fields are set as they were: no constructor runs.
"""

from __future__ import annotations

import builtins
import inspect
import re
import sys
from collections import ChainMap
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, ForwardRef, get_args

from deferred_signals.serialization.codec import Unencodable
from deferred_signals.serialization.pending import made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deferred_signals.serialization.codec import Codec

__all__ = ["declared_types", "install", "is_own", "path_of", "register", "teach"]


#: What `register` was called for, by path: known to every receiver.
_registered: dict[str, Any] = {}


def install(codec: Codec) -> None:
    """Teach a codec the registered types, and to refuse others with the remedy."""
    teach(codec)
    codec.add_rule(is_own, _refuse)


def register(codec: Codec, kind: type) -> None:
    """Make a type known to every receiver."""
    _registered[path_of(kind)] = kind
    codec.add_encoder(kind, _encoder(path_of(kind), kind))


def teach(codec: Codec, *kinds: type) -> None:
    """Teach a codec some types, which `declared_types` found, beside the registered ones."""
    own: dict[str, Any] = {path_of(kind): kind for kind in kinds}
    for path, kind in own.items():
        codec.add_encoder(kind, _encoder(path, kind))
    table = ChainMap(own, _registered)

    def find(path: str, family: Callable[[Any], bool]) -> Any:
        kind = table[path]
        if not family(kind):  # a tag must not make one kind of type out of another
            raise LookupError(f"{path} is of another kind")
        return kind

    codec.add_decoder("$enum", lambda parts: _decode_enum(find(parts[0], _is_enum), *parts[1:]))
    codec.add_decoder(
        "$dataclass",
        lambda parts: made(partial(_make_dataclass, find(parts[0], is_dataclass)), parts[1]),
    )
    codec.add_decoder(
        "$namedtuple", lambda parts: made(find(parts[0], _is_namedtuple)._make, parts[1])
    )


def declared_types(function: Callable[..., Any], *more: type) -> list[type]:
    """The types that a callable's annotations mention, and those of their own fields."""
    found: dict[type, None] = {}
    target: Any = function.func if isinstance(function, partial) else function
    if not hasattr(target, "__code__") and not inspect.ismethod(target):
        target = type(target).__call__
    annotations = list(getattr(target, "__annotations__", {}).values())
    waiting = [*_mentioned(annotations, getattr(target, "__module__", "")), *more]
    while waiting:
        kind = waiting.pop()
        if kind not in found and is_own(kind):
            found[kind] = None
            waiting += _mentioned(list(inspect.get_annotations(kind).values()), kind.__module__)
            if is_dataclass(kind):
                types = [field.type for field in fields(kind)]
                waiting += _mentioned(types, kind.__module__)
    return list(found)


def path_of(kind: type) -> str:
    """The name of a type in a payload."""
    return f"{kind.__module__}.{kind.__qualname__}"


def is_own(kind: type) -> bool:
    """Whether a type is of the kinds that this family is for."""
    return _is_enum(kind) or is_dataclass(kind) or _is_namedtuple(kind)


def _is_enum(kind: type) -> bool:
    return issubclass(kind, Enum)


def _is_namedtuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _refuse(value: object, _codec: Codec) -> Any:
    name = type(value).__name__
    raise Unencodable(
        value,
        f"a worker finds it only if it is declared: annotate the receiver's argument with {name}, "
        f"or call register_type({name})",
    )


def _mentioned(annotations: list[Any], module: str) -> Iterator[type]:
    """The classes in annotations, also in the text of such as are not evaluated."""
    for annotation in annotations:
        text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation
        if isinstance(text, str):
            for name in re.findall(r"[^\W\d][\w.]*", text):
                found = _named(name, module)
                if isinstance(found, type):
                    yield found
        else:
            if isinstance(annotation, type):
                yield annotation
            yield from _mentioned(list(get_args(annotation)), module)


def _named(name: str, module: str) -> object:
    first, *rest = name.split(".")
    found = getattr(sys.modules.get(module), first, getattr(builtins, first, None))
    for step in rest:
        found = getattr(found, step, None)
    return found


def _encoder(path: str, kind: type) -> Callable[[Any, Codec], Any]:
    if issubclass(kind, Enum):
        return lambda value, codec: _encode_enum(path, value, codec)
    if is_dataclass(kind):
        return lambda value, codec: _encode_dataclass(path, value, codec)
    return lambda value, codec: {"$namedtuple": [path, [codec.encode_any(item) for item in value]]}


def _encode_enum(path: str, value: Enum, codec: Codec) -> Any:
    if value.name in type(value).__members__:
        return {"$enum": [path, value.name]}
    # A flag of several members has no member's name.
    return {"$enum": [path, None, codec.encode_any(value.value)]}


def _decode_enum(kind: Any, name: str | None, value: Any = None) -> Any:
    return kind(value) if name is None else kind[name]


def _encode_dataclass(path: str, value: Any, codec: Codec) -> Any:
    given = {
        field.name: codec.encode_part(f".{field.name}", getattr(value, field.name))
        for field in fields(value)
    }
    return {"$dataclass": [path, given]}


def _make_dataclass(kind: Any, values: dict[str, Any]) -> Any:
    new = object.__new__(kind)
    for field in fields(kind):
        object.__setattr__(new, field.name, values[field.name])
    return new
