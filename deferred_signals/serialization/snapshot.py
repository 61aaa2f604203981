"""Marks that ask for more of a row to travel than a reference to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

__all__ = ["Carrying", "Snapshot", "SomeRows", "State"]

State = Literal["saved", "deleted", "unsaved"]


@dataclass(eq=False)
class Snapshot:
    """Asks for an instance to travel as its field values.

    Attributes:
        row: the instance.
        state: what it was at send.
        exclude: names of fields that stay behind.
    """

    row: Model
    state: State
    exclude: frozenset[str] = frozenset()


@dataclass(eq=False)
class Carrying:
    """Asks for attributes that are no fields to travel with an instance.

    Attributes:
        row: the instance, or a `Snapshot` of it.
        values: the attributes by their paths.
    """

    row: Any
    values: dict[str, Any]


@dataclass(eq=False)
class SomeRows:
    """Asks for the rows of a QuerySet to travel as their primary keys."""

    rows: QuerySet[Any]
