"""Read the values of a row from an instance, for the fields of its model that are followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.receivers.changes.kept import compared, is_same, kept

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["Followed", "is_same_key", "key_of", "values_of"]


class Followed(NamedTuple):
    """The fields that are followed of one model, by their names.

    Attributes:
        keys: the fields of its primary key.
        fields: the fields that a condition names.
    """

    keys: dict[str, Any]
    fields: dict[str, Any]


def key_of(followed: Followed, instance: Model) -> tuple[Any, ...] | None:
    """Return the kept primary key; None where none is set. Nothing is fetched."""
    held = instance.__dict__
    key = tuple(kept(field, held.get(name)) for name, field in followed.keys.items())
    return None if None in key else key


def is_same_key(followed: Followed, one: tuple[Any, ...], other: tuple[Any, ...] | None) -> bool:
    """Tell whether two kept primary keys are known, and equal."""
    if one == other:
        return True
    return (
        other is not None
        and len(one) == len(other) == len(followed.keys)
        and all(
            is_same(compared(field, first), compared(field, second))
            for field, first, second in zip(followed.keys.values(), one, other, strict=True)
        )
    )


def values_of(followed: Followed, instance: Model) -> dict[str, Any]:
    """Return the kept values of the fields that are loaded. Nothing is fetched."""
    held = instance.__dict__
    return {
        name: kept(field, held[name]) for name, field in followed.fields.items() if name in held
    }
