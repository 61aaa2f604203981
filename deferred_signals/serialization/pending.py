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

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models.base import ModelBase

from deferred_signals.errors import DecodeError
from deferred_signals.serialization.codec import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.db.models import Model

    Rows = Mapping["Reference", Model]

__all__ = [
    "MissingRow",
    "Pending",
    "Reference",
    "complete",
    "fetch",
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
        return f"{self.model._meta.label} with primary key {self.pk!r} on {self.alias!r}"

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

    def __init__(self, reference: Reference) -> None:
        super().__init__(f"{reference} does not exist")
        self.reference = reference


def fetch(reference: Reference) -> Model:
    """The row, as it is now, from the database it was saved on.

    Raises:
        MissingRow: there is no such row.
        DecodeError: the model's primary key can have no such value.
    """
    manager = reference.model._base_manager
    try:
        return manager.using(reference.alias).get(pk=reference.pk)
    except ObjectDoesNotExist:
        raise MissingRow(reference) from None
    except (TypeError, ValidationError, ValueError) as error:
        raise DecodeError(f"There can be no {reference}: {error}", reference) from error


#: Types of values that wait for nothing, and hold nothing: most of all there are.
_SIMPLE = frozenset(
    {bool, date, datetime, Decimal, float, int, NoneType, str, type, ModelBase, UUID}
)


def waiting(values: dict[str, Any]) -> dict[str, Any]:
    """Those of the decoded kwargs that may have to be completed: mostly none, as is quickly seen."""
    return {name: value for name, value in values.items() if type(value) not in _SIMPLE}


def references(value: object) -> Iterator[Reference]:
    """Every reference inside a decoded value."""
    if type(value) in _SIMPLE:
        return
    if isinstance(value, Pending):
        yield from value.references()
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from references(key)
            yield from references(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from references(item)


def complete(values: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """Decoded kwargs with everything pending completed.

    Raises:
        DecodeError: what was promised cannot be made of what the payload holds.
    """
    try:
        return {name: replace(value, rows) for name, value in values.items()}
    except MALFORMED as error:
        raise DecodeError(
            f"A value cannot be completed: {type(error).__name__}: {error}", values
        ) from error


def replace(value: Any, rows: Rows) -> Any:
    """One decoded value with everything pending completed."""
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if isinstance(value, Pending):
        return value.complete(rows)
    if kind is dict:
        return {replace(key, rows): replace(item, rows) for key, item in value.items()}
    if kind in {list, tuple, set, frozenset}:
        return kind(replace(item, rows) for item in value)
    return value


def _is_pending(value: object) -> bool:
    if isinstance(value, Pending):
        return True
    if isinstance(value, dict):
        return any(_is_pending(item) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(_is_pending(item) for item in value)
    return False
