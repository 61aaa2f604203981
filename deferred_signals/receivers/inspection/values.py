"""The values that a name or an expression of a receiver may stand for."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from deferred_signals.receivers.inspection.notes import Path
    from deferred_signals.receivers.inspection.sources import Function

__all__ = ["KWARGS", "OWNER", "Kind", "Names", "Value", "attributes_of", "function_of", "given"]


class Kind(Enum):
    """The kinds of values that are followed; all others are ignored."""

    GIVEN = "a kwarg, or what attributes lead to from one"
    KWARGS = "the dict of all kwargs"
    ATTRIBUTES = "vars() of something given"
    OWNER = "what the receiver is a method of"
    FUNCTION = "a function inside the receiver"


class Value(NamedTuple):
    """A value that is followed.

    Attributes:
        kind: its kind.
        path: the path of something given, or of what has the attributes.
        node: the syntax tree of a function.
    """

    kind: Kind
    path: Path = ()
    node: Function | None = None


KWARGS = Value(Kind.KWARGS)
OWNER = Value(Kind.OWNER)

#: What names stand for; None stands for what is not followed.
Names = dict[str, Value | None]


def given(*path: str) -> Value:
    """Return the value at a path."""
    return Value(Kind.GIVEN, path)


def attributes_of(value: Value) -> Value:
    """Return ``vars()`` of something given."""
    return Value(Kind.ATTRIBUTES, value.path)


def function_of(node: Function) -> Value:
    """Return a function inside the receiver."""
    return Value(Kind.FUNCTION, node=node)
