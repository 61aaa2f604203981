"""Mark the values of which more, or less, travels than a reference: snapshots, rows, carried attributes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet

from deferred_signals.serialization import Carrying, Same, Snapshot, SomeRows, is_saved, unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.serialization.marks import State

__all__ = ["UNMARKED", "marked", "told_once"]

#: Types whose values need no mark, as most values that are sent.
UNMARKED = frozenset({type(None), bool, int, float, str})


def marked(receiver: Receiver, name: str, value: Any, snapshots: frozenset[str]) -> Any:
    """Return a value with the mark that tells the codec how much of the value travels.

    Arguments:
        receiver: whose options say so.
        name: the kwarg's.
        value: its value.
        snapshots: names of the kwargs whose instances travel as their field values.
    """
    value = unwrapped(value)
    if isinstance(value, QuerySet):
        return SomeRows(value) if name in receiver.parameters else value
    if not isinstance(value, (Model, Snapshot)):
        return value
    options = receiver.options
    row = value.row if isinstance(value, Snapshot) else value
    if isinstance(value, Snapshot):
        value = Snapshot(row, value.state, options.exclude_fields)
    elif name in snapshots:
        state: State = "saved" if is_saved(row) else "unsaved"
        value = Snapshot(row, state, options.exclude_fields)
    if options.carry and name == "instance":
        carried = dict(_carried(row, options.carry))
        return Carrying(value, carried) if carried else value
    return value


def _carried(row: Model, paths: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Give the attributes that are there; one that nobody set is not set where the row arrives either."""
    for path in paths:
        value: Any = row
        with suppress(AttributeError, ObjectDoesNotExist):
            for step in path.split("."):
                value = getattr(value, step)
            yield path, value


def told_once(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Let the origin of a delete travel as the instance, where both are the same row."""
    instance, origin = kwargs.get("instance"), kwargs.get("origin")
    same = (
        isinstance(instance, Snapshot)
        and isinstance(origin, Snapshot)
        and type(instance.row) is type(origin.row)
        and instance.row.pk is not None
        and (instance.row is origin.row or instance.row.pk == origin.row.pk)
    )
    return {**kwargs, "origin": Same("instance")} if same else kwargs
