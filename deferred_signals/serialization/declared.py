"""Declared types: dataclasses, named tuples and enums of the project's own.

A message names such a type by its dotted path, and the path finds only types that code declared:
those in the annotations or the ``schema`` of a receiver, those of their fields, and those given to
`register_type`. The fields of a new object are set one by one: no constructor runs.
"""

from __future__ import annotations

import builtins
import inspect
import re
import sys
from collections import ChainMap
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, ForwardRef, get_args

from deferred_signals import conf
from deferred_signals.errors import NotKnownHere
from deferred_signals.serialization import enums
from deferred_signals.serialization.lookups import path_of
from deferred_signals.serialization.pending import made
from deferred_signals.serialization.unencodable import Unencodable, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder

__all__ = ["declarable", "declared_types", "install", "register", "teach"]

#: Types that `register` was called for, by path. Every receiver knows them.
_registered: dict[str, Any] = {}


def install(codec: Codec) -> None:
    """Teach a codec the registered types and the members of all enums, and to refuse undeclared types."""
    teach(codec)
    codec.add_encoder(Enum, enums.encode, subclasses=True)
    codec.add_rule(declarable, _refuse)


def register(codec: Codec, kind: type) -> None:
    """Declare a type for every receiver."""
    _registered[path_of(kind)] = kind
    codec.add_encoder(kind, _encode_of(path_of(kind), kind))


def teach(codec: Codec, *kinds: type) -> None:
    """Teach a codec types that `declared_types` found, beside the registered ones."""
    own: dict[str, Any] = {path_of(kind): kind for kind in kinds}
    for path, kind in own.items():
        codec.add_encoder(kind, _encode_of(path, kind))
    table = ChainMap(own, _registered)

    def find(path: Any, family: Callable[[Any], bool]) -> Any:
        kind = table.get(path) if type(path) is str else None
        if kind is None:
            raise NotKnownHere(
                f"No receiver in this process declares a type {brief(path)}: annotate the receiver's "
                f"argument with it, or call register_type()."
            )
        if not family(kind):  # a message must not make a named tuple of a dataclass
            raise LookupError("a type is of another kind")
        return kind

    codec.add_decoder("$enum", lambda parts: enums.decode(parts, table))
    codec.add_decoder("$dataclass", lambda parts: _decode_dataclass(parts, find))
    codec.add_decoder("$namedtuple", lambda parts: _decode_namedtuple(parts, find))


def declared_types(function: Callable[..., Any], *more: type) -> list[type]:
    """List the types that a callable's annotations mention, and those of their own fields.

    Arguments:
        function: the callable.
        more: types that are declared as well.
    """
    found: dict[type, None] = {}
    target: Any = function.func if isinstance(function, partial) else function
    if not hasattr(target, "__code__") and not inspect.ismethod(target):
        target = type(target).__call__
    annotations = list(getattr(target, "__annotations__", {}).values())
    waiting = [*_mentioned(annotations, getattr(target, "__module__", "")), *more]
    while waiting:
        kind = waiting.pop()
        if kind not in found and declarable(kind):
            found[kind] = None
            waiting += _mentioned(list(inspect.get_annotations(kind).values()), kind.__module__)
            if is_dataclass(kind):
                types = [field.type for field in fields(kind)]
                waiting += _mentioned(types, kind.__module__)
    return list(found)


def declarable(kind: type) -> bool:
    """Return whether a type can be declared without functions to encode and decode it."""
    return _is_enum(kind) or is_dataclass(kind) or _is_namedtuple(kind)


def _is_enum(kind: type) -> bool:
    return issubclass(kind, Enum)


def _is_namedtuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _refuse(value: object, _encoder: Encoder) -> Any:
    name = type(value).__name__
    raise Unencodable(
        value,
        "a worker finds its type only if that is declared",
        remedy=f"Annotate the receiver's argument with {name}, or call register_type({name}).",
    )


def _mentioned(annotations: list[Any], module: str) -> Iterator[type]:
    """Give the classes that annotations mention, also those that are texts."""
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


def _encode_of(path: str, kind: type) -> Callable[[Any, Encoder], Any]:
    if issubclass(kind, Enum):
        return enums.encode_declared
    return partial(_encode_dataclass if is_dataclass(kind) else _encode_namedtuple, path)


def _encode_dataclass(path: str, value: Any, encoder: Encoder) -> Any:
    names = [field.name for field in fields(value)]
    _refuse_secrets(value, names)
    given = {name: encoder.encode_part(f".{name}", getattr(value, name)) for name in names}
    return {"$dataclass": [path, given]}


def _encode_namedtuple(path: str, value: Any, encoder: Encoder) -> Any:
    _refuse_secrets(value, value._fields)
    return {"$namedtuple": [path, [encoder.encode_any(item) for item in value]]}


def _refuse_secrets(value: object, names: Iterable[str]) -> None:
    secrets = [name for name in names if name.casefold() in conf.current().SENSITIVE]
    if secrets:
        raise Unencodable(
            value,
            f"its field {secrets[0]!r} has the name of a secret, and the broker would store it",
            remedy="Leave the kwarg out with exclude=, or take the name out of "
            "DEFERRED_SIGNALS['SENSITIVE'].",
        )


def _decode_dataclass(parts: Any, find: Callable[[Any, Any], Any]) -> Any:
    path, values = parts
    kind = find(path, is_dataclass)
    if type(values) is not dict:
        raise TypeError("the fields of a dataclass are written by their names")
    return made(partial(_make_dataclass, kind), values)


def _decode_namedtuple(parts: Any, find: Callable[[Any, Any], Any]) -> Any:
    path, values = parts
    kind = find(path, _is_namedtuple)
    if type(values) is not list or len(values) != len(kind._fields):
        raise TypeError("a named tuple has as many values as fields")
    return made(partial(tuple.__new__, kind), values)


def _make_dataclass(kind: Any, values: dict[str, Any]) -> Any:
    new = object.__new__(kind)
    for field in fields(kind):
        value = values.get(field.name, field.default)
        if value is MISSING:
            raise KeyError(field.name)
        object.__setattr__(new, field.name, value)
    return new
