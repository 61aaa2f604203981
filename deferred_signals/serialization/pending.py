"""Values that a payload can only promise: they need a row from the database to be complete.

Decoding is pure: it asks no database. What needs one decodes to a `Pending` value, and is
completed when the rows are there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models.base import ModelBase

from deferred_signals.errors import DecodeError
from deferred_signals.serialization.codec import MALFORMED
from deferred_signals.serialization.fields import key_of, prepared
from deferred_signals.serialization.hashing import sound_items
from deferred_signals.serialization.refusals import brief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from django.db.models import Model

    Rows = Mapping["Reference", Model]

__all__ = [
    "MissingRelation",
    "MissingRow",
    "Pending",
    "Reference",
    "complete",
    "fetch",
    "fetch_many",
    "made",
    "references",
    "replace",
    "waiting",
]


class Pending(ABC):
    """A decoded value that waits for rows."""

    @abstractmethod
    def references(self) -> Iterator[Reference]:
        """The rows it waits for."""

    @abstractmethod
    def complete(self, rows: Rows) -> Any:
        """The value itself."""


class Place(NamedTuple):
    """Where a row is: which one of which model, on which database."""

    model: type[Model]
    pk: Any
    alias: str


class Reference(Place, Pending):
    """A saved instance as it travels: the place of its row."""

    __slots__ = ()

    def __str__(self) -> str:
        key = brief(self.pk) if isinstance(self.pk, str) else brief(str(self.pk)).strip("'")
        return f"{self.model._meta.label} with primary key {key} on {self.alias!r}"

    def __hash__(self) -> int:
        # By the key's text, whose hash nobody can foresee: numbers can be chosen so that all of
        # them have the same.
        return hash((self.model, str(self.pk), self.alias))

    def references(self) -> Iterator[Reference]:
        """Itself."""
        yield self

    def complete(self, rows: Rows) -> Model:
        """The row."""
        return rows[self]


class Made(Pending):
    """A value that a function makes of parts, of which some are pending."""

    def __init__(self, make: Callable[[Any], Any], parts: Any) -> None:
        self.make = make
        self.parts = parts

    def references(self) -> Iterator[Reference]:
        """The rows that the parts wait for."""
        return references(self.parts)

    def complete(self, rows: Rows) -> Any:
        """What the function makes of the completed parts."""
        return self.make(replace(self.parts, rows))


def made(make: Callable[[Any], Any], parts: Any) -> Any:
    """What a function makes of decoded parts: now, or when they are complete."""
    return Made(make, parts) if _is_pending(parts) else make(parts)


class MissingRow(Exception):
    """A referenced row is gone."""


class MissingRelation(MissingRow):
    """A row that an attribute leads to, of those which ``carry=`` names, is gone."""


def fetch(reference: Reference) -> Model:
    """The row, as it is now, from the database it was saved on.

    Raises:
        MissingRow: there is no such row.
        DecodeError: the model's primary key can have no such value.
    """
    model = reference.model
    rows = model._base_manager.using(reference.alias)
    try:
        rows = rows.filter(pk=prepared(model, reference.pk))
    except (ArithmeticError, TypeError, ValidationError, ValueError):
        raise DecodeError(f"There can be no {reference}.", reference) from None
    # Not `get()`: what the model's own code looks for while the row is made, and does not find, is
    # another row.
    for row in rows.order_by()[:1]:
        return row
    raise MissingRow(f"{reference} does not exist")


def fetch_many(model: type[Model], alias: str, wanted: Sequence[Reference]) -> Rows:
    """Read rows of one model together; those that are gone are not among them.

    Raises:
        TypeError, ValidationError, ValueError: the model's primary key can have no such value.
    """
    found = {}
    for start in range(0, len(wanted), AT_ONCE):
        keys = [prepared(model, reference.pk) for reference in wanted[start : start + AT_ONCE]]
        for row in model._base_manager.using(alias).filter(pk__in=keys).order_by():
            found[Reference(model, key_of(row), alias)] = row
    return found


#: Rows that one query asks for: what every database takes as parameters.
AT_ONCE = 500

#: Types of values that wait for nothing, and hold nothing: most of all there are.
_SIMPLE = frozenset(
    {bool, date, datetime, Decimal, float, int, NoneType, str, type, ModelBase, UUID}
)


def waiting(values: dict[str, Any]) -> dict[str, Any]:
    """Those of the decoded kwargs that may have to be completed: mostly none, as is quickly seen."""
    return {name: value for name, value in values.items() if type(value) not in _SIMPLE}


def references(value: object) -> Iterator[Reference]:
    """Every reference inside a decoded value."""
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
    """Decoded kwargs with everything pending completed.

    Raises:
        DecodeError: what was promised cannot be made of what the payload holds.
    """
    try:
        return {name: replace(value, rows) for name, value in values.items()}
    except DecodeError:
        raise
    except MALFORMED as error:
        raise DecodeError(f"A value cannot be completed ({type(error).__name__}).") from None


def replace(value: Any, rows: Rows) -> Any:
    """One decoded value with everything pending completed."""
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if isinstance(value, Pending):
        return value.complete(rows)
    if kind is dict:
        keys = _hashable(value, rows)
        return dict(zip(keys, (replace(item, rows) for item in value.values()), strict=True))
    if kind in {list, tuple}:
        return kind(replace(item, rows) for item in value)
    return kind(_hashable(value, rows)) if kind in {set, frozenset} else value


def _hashable(items: Iterable[Any], rows: Rows) -> Iterable[Any]:
    """Complete the items of a set, or the keys of a dict: rows may be hashed by code of their own."""
    if all(type(item) in _SIMPLE for item in items):
        return items
    return sound_items([replace(item, rows) for item in items])


def _is_pending(value: object) -> bool:
    # By the exact type: a value of a derived one is complete, or would be pending as a whole.
    kind = type(value)
    if kind is dict:
        return any(_is_pending(item) for pair in value.items() for item in pair)  # type: ignore[attr-defined]  # a dict
    if kind in {list, tuple, set, frozenset}:
        return any(map(_is_pending, value))  # type: ignore[call-overload]  # one of these
    return isinstance(value, Pending)
