"""Instances that were made of a snapshot: what keeps their values from being taken for the database's.

Such an instance is an ordinary one, which can be copied and pickled. Django keeps a state beside an
instance's fields, and a mark on this state tells that the instance travelled. A save must not write
its old values over new ones, and a field that stayed behind must tell so when it is read.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.db.models.signals import pre_save

from deferred_signals.errors import DecodeError
from deferred_signals.serialization.keys import fields_of_key
from deferred_signals.serialization.trusted_fields import stays_behind

if TYPE_CHECKING:
    from django.db.models import Model

    from deferred_signals.serialization.marks import State

__all__ = ["mark_travelled"]

#: Where Django keeps prefetched objects of an instance. Loading a missing field looks there first,
#: and Django has no public way to learn of such a load before it queries.
PREFETCHED = "_prefetched_objects_cache"


def mark_travelled(row: Model, state: State) -> None:
    """Mark an instance that was made of a message's values.

    Arguments:
        row: the instance.
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
    """Raises an error for a field without a value, where Django would query for a row that is gone.

    Django loads a missing field by ``refresh_from_db(fields=[...])``, which looks among the
    prefetched objects first. This dict takes their place.
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
    """Tell for each missing field why it is missing."""
    return {
        field.attname: f"{row._meta.label}.{field.name} did not travel with the {state} row: "
        + (stays_behind(field) or _LEFT_OUT)
        for field in row._meta.concrete_fields
        if field.attname in missing
    }


@cache
def _guard_saves() -> None:
    """Listen to saves: once, when the first marked instance is made."""
    pre_save.connect(_refuse_old_values, weak=False, dispatch_uid="deferred_signals.travelled")


def _refuse_old_values(
    instance: Model, update_fields: frozenset[str] | None = None, **_: object
) -> None:
    """Refuse to save a marked instance, unless as a new row, or only the fields that are named."""
    state = getattr(instance._state, "travelled", None)
    if state is None or instance._state.adding or instance.pk is None:
        return
    if state == "deleted":
        raise TypeError(
            f"{instance!r} was deleted before it was sent here, and cannot be saved. To make a new "
            f"row of its values, set its primary key to None first."
        )
    if update_fields is None or update_fields == _all_loaded(instance):
        raise TypeError(
            f"{instance!r} is a snapshot of what was sent, and saving it would write old values over "
            f"new ones. Fetch the row anew, or name what to write: save(update_fields=[...])."
        )


def _all_loaded(instance: Model) -> set[str]:
    """Name the fields that Django itself passes as ``update_fields``, for a row that lacks some."""
    missing = instance.get_deferred_fields()
    keys = {field.attname for field in fields_of_key(type(instance))}
    loaded = {field.attname for field in instance._meta.concrete_fields} - missing - keys
    return loaded if missing else set()
