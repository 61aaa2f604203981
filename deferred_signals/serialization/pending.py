"""Decoded values that are not complete before rows were fetched.

Decoding is pure: it asks no database. A value that needs a row decodes to a `Pending` one, which is
completed when the rows are there. `references` tells which rows are needed, and `complete` puts them
in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db.models.base import ModelBase

from deferred_signals.errors import DecodeError
from deferred_signals.serialization.decoder import MALFORMED
from deferred_signals.serialization.hashing import sound_items
from deferred_signals.serialization.unencodable import brief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from django.db.models import Model

    Rows = Mapping["Reference", Model]

__all__ = [
    "Pending",
    "Reference",
    "complete",
    "completed",
    "made",
    "references",
    "waiting",
]


class Pending(ABC):
    """A decoded value that waits for rows."""

    @abstractmethod
    def references(self) -> Iterator[Reference]:
        """Give the rows that the value waits for."""

    @abstractmethod
    def complete(self, rows: Rows) -> Any:
        """Make the value itself, with the rows."""


class Place(NamedTuple):
    """Where a row is: its model, its primary key, and the alias of its database."""

    model: type[Model]
    pk: Any
    alias: str


class Reference(Place, Pending):
    """What a saved instance decodes to: the place of its row."""

    __slots__ = ()

    def __str__(self) -> str:
        key = brief(self.pk) if isinstance(self.pk, str) else brief(str(self.pk)).strip("'")
        return f"{self.model._meta.label} with primary key {key} on {self.alias!r}"

    def __hash__(self) -> int:
        # The hash of a text cannot be foreseen. Numbers can be chosen so that all have one hash.
        return hash((self.model, str(self.pk), self.alias))

    def references(self) -> Iterator[Reference]:
        """Give the reference itself."""
        yield self

    def complete(self, rows: Rows) -> Model:
        """Return the row."""
        return rows[self]


class Made(Pending):
    """A value that a function makes of parts, some of which are pending."""

    def __init__(self, make: Callable[[Any], Any], parts: Any) -> None:
        self.make = make
        self.parts = parts

    def references(self) -> Iterator[Reference]:
        """Give the rows that the parts wait for."""
        return references(self.parts)

    def complete(self, rows: Rows) -> Any:
        """Call the function with the completed parts."""
        return self.make(completed(self.parts, rows))


def made(make: Callable[[Any], Any], parts: Any) -> Any:
    """Call a function with decoded parts: now, or else when they are complete."""
    return Made(make, parts) if _is_pending(parts) else make(parts)


#: Types of values that are not pending and hold nothing: most values are of these.
_SIMPLE = frozenset(
    {bool, date, datetime, Decimal, float, int, NoneType, str, type, ModelBase, UUID}
)


def waiting(values: dict[str, Any]) -> dict[str, Any]:
    """Select the decoded kwargs that may be pending, or may hold something pending.

    Mostly there are none, and this tells quickly.
    """
    return {name: value for name, value in values.items() if type(value) not in _SIMPLE}


def references(value: object) -> Iterator[Reference]:
    """Give every reference inside a decoded value."""
    kind = type(value)
    if kind in _SIMPLE:
        return
    if isinstance(value, Pending):
        yield from value.references()
    elif kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]  # a dict
            yield from references(key)
            yield from references(item)
    elif kind in {list, tuple, set, frozenset}:
        for item in value:  # type: ignore[attr-defined]  # one of these
            yield from references(item)


def complete(values: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """Complete decoded kwargs.

    Arguments:
        values: the kwargs by name.
        rows: a row for each of the `references` in them.

    Raises:
        DecodeError: a pending value cannot be made of what the message holds.
    """
    try:
        return {name: completed(value, rows) for name, value in values.items()}
    except DecodeError:
        raise
    except MALFORMED as error:
        raise DecodeError(f"A value cannot be completed ({type(error).__name__}).") from None


def completed(value: Any, rows: Rows) -> Any:
    """Return a decoded value with everything pending in it completed."""
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if isinstance(value, Pending):
        return value.complete(rows)
    if kind is dict:
        keys = _hashable(value, rows)
        return dict(zip(keys, (completed(item, rows) for item in value.values()), strict=True))
    if kind in {list, tuple}:
        return kind(completed(item, rows) for item in value)
    return kind(_hashable(value, rows)) if kind in {set, frozenset} else value


def _hashable(items: Iterable[Any], rows: Rows) -> Iterable[Any]:
    """Complete the items of a set, or the keys of a dict: a row's model may hash it by its own code."""
    if all(type(item) in _SIMPLE for item in items):
        return items
    return sound_items([completed(item, rows) for item in items])


def _is_pending(value: object) -> bool:
    # By the exact type: a value of a derived one is complete, or would be pending as a whole.
    kind = type(value)
    if kind is dict:
        return any(_is_pending(item) for pair in value.items() for item in pair)  # type: ignore[attr-defined]  # a dict
    if kind in {list, tuple, set, frozenset}:
        return any(map(_is_pending, value))  # type: ignore[call-overload]  # one of these
    return isinstance(value, Pending)
