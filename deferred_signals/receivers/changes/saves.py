"""Note the saves of one instance: those that have begun, and what those that are done have changed.

A save may happen inside another save's signals. So saves are kept as stacks on the instance's
``_state``, and each is recognized by the arguments that its signals have in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model

__all__ = [
    "Began",
    "Changes",
    "Saved",
    "begin",
    "changes_for",
    "end",
    "latest",
    "shape_of",
    "tell",
]

#: The attribute of ``instance._state`` that holds the saves.
_NAME = "deferred_signals_saves"

#: How many saves of one instance are remembered, and so how deeply they may be nested.
_MOST = 16

#: Old and new value by the name of the field.
Changes = dict[str, tuple[Any, Any]]

#: The arguments that the signals of a save have in common; ``update_fields`` is the same object.
_SHAPE = ("update_fields", "raw", "using")


class Began(NamedTuple):
    """A save that has sent ``pre_save``.

    Attributes:
        shape: the arguments that its signals have in common.
        is_adding: the instance had no row yet.
        is_fresh: nothing is known of the row that the save writes.
        claims: the kept values of an instance that had no row yet.
    """

    shape: tuple[Any, ...]
    is_adding: bool
    is_fresh: bool
    claims: Mapping[str, Any]


class Saved:
    """A save that has sent ``post_save``: what it changed, and which receivers were told."""

    __slots__ = ("changes", "shape", "told")

    def __init__(self, shape: tuple[Any, ...], changes: Changes) -> None:
        self.shape = shape
        self.changes = changes
        self.told: set[str] = set()


class _Saves(NamedTuple):
    begun: tuple[Began, ...] = ()
    done: tuple[Saved, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, and copy deeply, as an empty tuple: no save of a copy has begun."""
        return tuple, ()


def shape_of(kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the arguments that the signals of one save have in common."""
    return tuple(kwargs.get(name) for name in _SHAPE)


def begin(instance: Model, began: Began) -> None:
    """Note that a save has begun."""
    saves = _saves_of(instance)
    _write(instance, saves._replace(begun=(*saves.begun, began)[-_MOST:]))


def end(instance: Model, shape: tuple[Any, ...]) -> tuple[Began | None, Began | None]:
    """Take the save that is now done; return it and the save that it happened in, if there is one."""
    saves = _saves_of(instance)
    for place in reversed(range(len(saves.begun))):
        began, outer = saves.begun[place], saves.begun[:place]
        if _is_same(began.shape, shape):
            # A save that began before there was a row, and did not end, has failed.
            _write(instance, saves._replace(begun=() if began.is_adding else outer))
            return began, outer[-1] if outer else None
    return None, None


def tell(instance: Model, saved: Saved) -> None:
    """Note what a save has changed, for the receivers that follow."""
    saves = _saves_of(instance)
    _write(instance, saves._replace(done=(*saves.done, saved)[-_MOST:]))


def changes_for(name: str, instance: Model, shape: tuple[Any, ...]) -> Changes:
    """Take what a save has changed, once for each receiver.

    Receivers may be told first of a save that another save's ``post_save`` made. So each receiver
    takes the latest save that it has not seen.

    Arguments:
        name: the receiver's.
        instance: what was saved.
        shape: the arguments that the save's signals have in common.
    """
    for saved in reversed(_saves_of(instance).done):
        if name not in saved.told and _is_same(saved.shape, shape):
            saved.told.add(name)
            return saved.changes
    return {}


def latest(instance: Model, shape: tuple[Any, ...] | None) -> Changes:
    """Return what the latest save has changed, or the latest of a shape where one is given."""
    for saved in reversed(_saves_of(instance).done):
        if shape is None or _is_same(saved.shape, shape):
            return saved.changes
    return {}


def _is_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return one[0] is other[0] and one[1:] == other[1:]


def _saves_of(instance: Model) -> _Saves:
    found = getattr(getattr(instance, "_state", None), _NAME, None)
    return found if isinstance(found, _Saves) else _Saves()


def _write(instance: Model, saves: _Saves) -> None:
    setattr(instance._state, _NAME, saves)
