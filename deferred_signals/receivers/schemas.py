"""``schema=``: compare the kwargs of a signal with the dataclass that they must fit."""

from __future__ import annotations

import functools
import types
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from deferred_signals.errors import InvalidReceiver, SerializationError
from deferred_signals.receivers.naming import needed_by
from deferred_signals.support.hints import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from dataclasses import Field

    from deferred_signals.receivers.catalogue import Entry

__all__ = ["check_kwargs", "problems_of_schema"]


def problems_of_schema(
    name: str,
    function: Callable[..., Any],
    schema: Any,
    entries: Sequence[Entry],
    *,
    alone: bool,
) -> Iterator[InvalidReceiver]:
    """Tell, at connect, what a receiver asks of its schema, or the schema of the signals, in vain.

    Arguments:
        name: the receiver's.
        function: the receiver.
        schema: the dataclass.
        entries: what the catalogue says of each of the receiver's signals.
        alone: whether all kwargs come from the signal, and none from ``capture=``.
    """
    if not isinstance(schema, type) or not is_dataclass(schema):
        yield InvalidReceiver(f"schema of {name!r} must be a dataclass, got {schema!r}.")
        return
    promised = _names(schema) | {"sender", "signal", "self", "changes"}
    for argument in needed_by(function) if alone else ():
        if argument not in promised:
            yield InvalidReceiver(
                f"{name!r} needs the argument {argument!r}, which schema {schema.__qualname__} "
                f"does not have. Its fields are {', '.join(sorted(_names(schema)))}."
            )
    for entry in entries:
        if entry.kwargs is not None:
            for field in sorted(_required(schema) - entry.kwargs - entry.dropped):
                yield InvalidReceiver(
                    f"schema {schema.__qualname__} of {name!r} promises {field!r}, which "
                    f"{entry.path} never sends. {nearest(field, entry.kwargs)}"
                )


def check_kwargs(where: str, schema: type, kwargs: Mapping[str, Any]) -> None:
    """Refuse, at send, kwargs that do not fit the schema; it need not name all of them.

    Arguments:
        where: signal and receiver, for the message.
        schema: the dataclass.
        kwargs: those of the send.

    Raises:
        SerializationError: one is missing, or of another type.
    """
    hints = _hints(schema)
    for field in fields(schema):
        if field.name not in kwargs:
            if not _has_default(field):
                raise SerializationError(
                    f"{where}: kwarg {field.name!r} is missing, which schema "
                    f"{schema.__qualname__} promises to receivers."
                )
            continue
        value = kwargs[field.name]
        if field.name in hints and not _fits(value, hints[field.name]):
            raise SerializationError(
                f"{where}: kwarg {field.name!r} is of type {type(value).__qualname__}, and schema "
                f"{schema.__qualname__} promises {hints[field.name]}."
            )


def _names(schema: Any) -> set[str]:
    return {field.name for field in fields(schema)}


def _required(schema: Any) -> set[str]:
    return {field.name for field in fields(schema) if not _has_default(field)}


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


@functools.cache
def _hints(schema: type) -> dict[str, Any]:
    try:
        return get_type_hints(schema)
    except NameError:  # a type that only type checkers see; then only names are checked
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of a type; what is inside a container is not checked."""
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        return any(_fits(value, part) for part in get_args(hint))
    kind = origin or hint
    if kind is None:
        return value is None
    if kind is float:
        return isinstance(value, (int, float))
    try:
        return not isinstance(kind, type) or isinstance(value, kind)
    except TypeError:  # Any, a TypedDict, a Protocol: no value can be checked against it
        return True
