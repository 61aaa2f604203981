"""Find two instances of one row in one send: each has to arrive as it was, and a reference gives one state."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING, Any

from django.db.models import Model

from deferred_signals.serialization import is_saved, unwrapped

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

__all__ = ["names_of_states"]


def names_of_states(kwargs: Mapping[str, Any]) -> frozenset[str]:
    """Name the kwargs that are instances of one row and differ, like ``instance`` and ``instance_before``."""
    rows: dict[Hashable, dict[str, Model]] = defaultdict(dict)
    for name, value in kwargs.items():
        row = unwrapped(value)
        if isinstance(row, Model) and is_saved(row):
            rows[row._meta.concrete_model, str(row.pk), row._state.db][name] = row
    return frozenset(
        name
        for states in rows.values()
        if len(states) > 1 and any(_differ(*pair) for pair in combinations(states.values(), 2))
        for name in states
    )


def _differ(one: Model, other: Model) -> bool:
    """Return whether two instances differ in a field that both have loaded."""
    if one is other:
        return False
    return any(
        one.__dict__[field.attname] != other.__dict__[field.attname]
        for field in one._meta.concrete_fields
        if field.attname in one.__dict__ and field.attname in other.__dict__
    )
