"""Fetching the rows that references lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError

from deferred_signals.errors import DecodeError
from deferred_signals.serialization.keys import key_of, prepared
from deferred_signals.serialization.pending import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Model

    from deferred_signals.serialization.pending import Rows

__all__ = ["MissingRelation", "MissingRow", "fetch", "fetch_many"]

#: Rows that one query asks for. Each database takes so many parameters.
AT_ONCE = 500


class MissingRow(Exception):
    """A referenced row is gone."""


class MissingRelation(MissingRow):
    """A row is gone that a path of ``carry=`` leads through."""


def fetch(reference: Reference) -> Model:
    """Fetch a row, as it is now, from the database that it was saved on.

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
    # Not `get()`: the model's own code may look for another row while this one is made, and its
    # DoesNotExist would be mistaken for ours.
    for row in rows.order_by()[:1]:
        return row
    raise MissingRow(f"{reference} does not exist")


def fetch_many(model: type[Model], alias: str, wanted: Sequence[Reference]) -> Rows:
    """Fetch rows of one model together. Rows that are gone are not in the result.

    Arguments:
        model: of which all the references are.
        alias: of the database that all of them are on.
        wanted: the references.

    Raises:
        TypeError, ValidationError, ValueError: the model's primary key can have no such value.
    """
    found = {}
    for start in range(0, len(wanted), AT_ONCE):
        keys = [prepared(model, reference.pk) for reference in wanted[start : start + AT_ONCE]]
        for row in model._base_manager.using(alias).filter(pk__in=keys).order_by():
            found[Reference(model, key_of(row), alias)] = row
    return found
