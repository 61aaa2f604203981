"""Rows that came by a message as they were: what keeps them from being taken for the database's.

Such a row is an ordinary instance, and so can be copied and pickled like one. Its state, which
Django keeps beside the fields, says that it travelled. Old values must not be saved over new ones,
and a field that stayed behind must say so when it is asked for.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.db.models.signals import pre_save

from deferred_signals.errors import DecodeError
from deferred_signals.serialization.fields import keys_of, stays_behind

if TYPE_CHECKING:
    from django.db.models import Model

    from deferred_signals.serialization.snapshot import State

__all__ = ["mark"]

#: Where Django keeps objects that were prefetched, and looks before it loads a missing field.
PREFETCHED = "_prefetched_objects_cache"


def mark(row: Model, state: State) -> None:
    """Mark a row that was made of a message's values.

    Arguments:
        row: the row.
        state: what it was at the send.
    """
    row._state.adding = state == "unsaved"
    missing = row.get_deferred_fields()
    if state != "saved" and missing:
        row.__dict__[PREFETCHED] = StayedBehind(_reasons(row, state, missing))
    if state != "unsaved":
        row._state.travelled = state  # type: ignore[attr-defined]  # our mark on it
        _guard_saves()


class StayedBehind(dict[str, Any]):
    """Explains, in place of a query for a row that is not there, why a field has no value.

    Django loads a field that is missing by ``refresh_from_db(fields=[...])``, which first looks
    among the objects that were prefetched. So that is where this one stands.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__()
        self._reasons = reasons

    def __contains__(self, name: object) -> bool:
        if name in self._reasons:
            raise DecodeError(f"{self._reasons[str(name)]}. Or read it at send with capture=.")
        return super().__contains__(name)

    def __reduce__(self) -> Any:
        return type(self), (self._reasons,), None, None, iter(self.items())


_LEFT_OUT = (
    "it was excluded, not loaded or too large at the send, or the sender's model does not have it"
)


def _reasons(row: Model, state: State, missing: set[str]) -> dict[str, str]:
    """Say of each field that is missing why it is."""
    return {
        field.attname: f"{row._meta.label}.{field.name} did not travel with the {state} row: "
        + (stays_behind(field) or _LEFT_OUT)
        for field in row._meta.concrete_fields
        if field.attname in missing
    }


@cache
def _guard_saves() -> None:
    """Listen to saves, from the first row that travelled to this process."""
    pre_save.connect(_refuse_old_values, weak=False, dispatch_uid="deferred_signals.travelled")


def _refuse_old_values(
    instance: Model, update_fields: frozenset[str] | None = None, **_: object
) -> None:
    """Refuse to save a row that travelled, unless as a new one, or fields that are named."""
    state = getattr(instance._state, "travelled", None)
    if state is None or instance._state.adding or instance.pk is None:
        return
    if state == "deleted":
        raise TypeError(f"{instance!r} was deleted before it was sent here, and cannot be saved.")
    if update_fields is None or update_fields == _all_loaded(instance):
        raise TypeError(
            f"{instance!r} is a snapshot of what was sent, and saving it would write old values over "
            f"new ones. Fetch the row anew, or name what to write: save(update_fields=[...])."
        )


def _all_loaded(instance: Model) -> set[str]:
    """Name the fields that Django writes where it is told none, of a row that lacks some."""
    missing = instance.get_deferred_fields()
    keys = {field.attname for field in keys_of(type(instance))}
    loaded = {field.attname for field in instance._meta.concrete_fields} - missing - keys
    return loaded if missing else set()
