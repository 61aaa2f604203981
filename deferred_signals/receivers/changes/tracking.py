"""What a save changes: a row is compared with what was noted of it, when it is saved.

Only the models and fields that a condition names are followed. The notes hang on
``instance._state``, which is no field and no argument of a model.

The comparison waits for ``post_save``. By then handlers of ``pre_save`` and ``Field.pre_save``
have set what they set, and Django has read back what an expression came to, where it can.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_init, post_save, pre_save

from deferred_signals.receivers.changes.fates import fate_of_writes
from deferred_signals.receivers.changes.kept import NOTHING, compared, is_same, kept
from deferred_signals.receivers.changes.notes import Notes, notes_of, write
from deferred_signals.receivers.changes.saves import Began, Saved, begin, end, shape_of, tell
from deferred_signals.support.unknown import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model

    from deferred_signals.receivers.changes.saves import Changes

__all__ = ["follow"]


class _Followed(NamedTuple):
    """What is followed of one model, by the names of fields.

    Attributes:
        keys: the fields of its primary key.
        fields: the fields that a condition names.
    """

    keys: dict[str, Any]
    fields: dict[str, Any]


_followed: dict[type[Model], _Followed] = {}

#: Rows that were loaded while ``refresh_from_db()`` of an instance runs, with their model.
_loaded: ContextVar[list[tuple[type[Model], Notes]] | None] = ContextVar("loaded", default=None)


def follow(model: type[Model], fields: list[Any]) -> None:
    """Begin to note values of a model's fields."""
    found = _followed.get(model)
    if found is None:
        found = _Followed({field.attname: field for field in model._meta.pk_fields}, {})
        _followed[model] = found
        uid = "deferred_signals.receivers.conditions"
        post_init.connect(_note_made, sender=model, dispatch_uid=uid)
        pre_save.connect(_note_begin, sender=model, dispatch_uid=uid)
        post_save.connect(_compare, sender=model, dispatch_uid=uid)
        _follow_refresh(model)
    # Replaced, not altered: another thread may be reading it.
    more = {field.attname: field for field in fields}
    _followed[model] = found._replace(fields={**found.fields, **more})


def _note_made(sender: type[Model], instance: Model, **_kwargs: Any) -> None:
    """Note the values of an instance that has a key, and so may have been loaded."""
    followed = _followed[sender]
    key = _key(followed, instance)
    if key is not None:
        known = _values(followed, instance)
        notes = Notes(key, known, claims=frozenset(known))
        write(instance, notes)
        loaded = _loaded.get()
        if loaded is not None:
            loaded.append((sender, notes))


def _note_begin(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    """Note, before a save, whether what is known is known of the row that it will write."""
    state = getattr(instance, "_state", None)
    if state is None:
        return
    followed = _followed[sender]
    notes = _notes_of_row(followed, instance)
    write(instance, notes)
    claims = _values(followed, instance) if state.adding else {}
    begin(instance, Began(shape_of(kwargs), state.adding, notes is None, claims))


def _compare(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    """Tell, after a save, what it has changed, and note what the row holds now."""
    if getattr(instance, "_state", None) is None:
        return
    followed, shape = _followed[sender], shape_of(kwargs)
    created = bool(kwargs.get("created"))
    began, outer = end(instance, shape)
    before = {} if created else _before(followed, instance, began, outer)
    now = _values(followed, instance)
    changes: Changes = {}
    known = dict(before)
    for name, field in followed.fields.items():
        if not _is_written(sender, field, kwargs):
            continue
        held = known[name] = now.get(name, UNKNOWN)
        old = NOTHING if created else compared(field, before.get(name, UNKNOWN))
        new = compared(field, held)
        if created or not is_same(old, new):
            changes[name] = (old, new)
    tell(instance, Saved(shape, changes))
    key = _key(followed, instance)
    if key is not None:
        fate = fate_of_writes(kwargs.get("using") or instance._state.db or DEFAULT_DB_ALIAS)
        earlier = None if fate is None else notes_of(instance)
        write(instance, Notes(key, known, fate=fate, before=earlier))


def _before(
    followed: _Followed, instance: Model, began: Began | None, outer: Began | None
) -> Mapping[str, Any]:
    """What is known of a row from before a save that was no insert."""
    if began is not None and began.is_fresh:
        if outer is None or not outer.is_adding or began.is_adding:
            return {}
        # A handler of `post_save` that stands before ours saves what was inserted a moment ago.
        return outer.claims
    notes = _notes_of_row(followed, instance)
    return {} if notes is None else notes.known


def _is_written(model: type[Model], field: Any, kwargs: Mapping[str, Any]) -> bool:
    """Tell whether a save has written a field."""
    update_fields = kwargs.get("update_fields")
    if update_fields is not None and {field.name, field.attname}.isdisjoint(update_fields):
        return False
    if kwargs.get("raw") and field.model._meta.concrete_model is not model._meta.concrete_model:
        return False  # a fixture writes each table of a model by itself
    return bool(kwargs.get("created")) or field not in field.model._meta.pk_fields


def _notes_of_row(followed: _Followed, instance: Model) -> Notes | None:
    """What is known of the row that an instance would be saved to."""
    notes, state = notes_of(instance), instance._state
    if notes is not None and (state.adding or state.db is None):
        notes = notes.without_claims()  # it was not loaded
    if notes is None or not _is_same_key(followed, notes.key, _key(followed, instance)):
        return None
    return notes


def _key(followed: _Followed, instance: Model) -> tuple[Any, ...] | None:
    """The primary key, kept; None where it is not set. Nothing is fetched."""
    held = instance.__dict__
    key = tuple(kept(field, held.get(name)) for name, field in followed.keys.items())
    return None if None in key else key


def _is_same_key(followed: _Followed, one: tuple[Any, ...], other: tuple[Any, ...] | None) -> bool:
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


def _values(followed: _Followed, instance: Model) -> dict[str, Any]:
    """The kept values of the fields that are loaded: nothing is fetched."""
    held = instance.__dict__
    return {
        name: kept(field, held[name]) for name, field in followed.fields.items() if name in held
    }


def _follow_refresh(model: type[Model]) -> None:
    """Wrap the model's own ``refresh_from_db``, since no signal tells of it.

    Which fields it reads is not asked of its arguments, which a model may alter or hide: Django
    loads the row as another instance, of which `post_init` tells.
    """
    original = model.refresh_from_db

    @functools.wraps(original)
    def refresh_from_db(self: Model, *args: Any, **kwargs: Any) -> Any:
        followed = _followed.get(type(self))
        if followed is None:
            return original(self, *args, **kwargs)
        held = {name: self.__dict__.get(name, UNKNOWN) for name in followed.fields}
        rows: list[tuple[type[Model], Notes]] = []
        token = _loaded.set(rows)
        try:
            result: Any = original(self, *args, **kwargs)
        finally:
            _loaded.reset(token)
        _note_refreshed(followed, self, rows, held)
        return result

    model.refresh_from_db = refresh_from_db  # type: ignore[method-assign]  # wrapped, not replaced


def _note_refreshed(
    followed: _Followed,
    instance: Model,
    rows: list[tuple[type[Model], Notes]],
    held: Mapping[str, Any],
) -> None:
    """Note what ``refresh_from_db`` has read: from the rows that were loaded, else what it set."""
    key = _key(followed, instance)
    if key is None:
        return
    found = [
        notes.known
        for model, notes in rows
        if model is type(instance) and _is_same_key(followed, notes.key, key)
    ]
    read = {
        name: value for known in found for name, value in known.items() if name in followed.fields
    }
    if not found:
        now = instance.__dict__
        read = {
            name: kept(followed.fields[name], now[name])
            for name, value in held.items()
            if name in now and now[name] is not value
        }
    # Not `_notes_of_row()`: this may happen in the model's `__init__`, before a row that is loaded
    # can be told from one that is made.
    notes = notes_of(instance)
    if notes is not None and not _is_same_key(followed, notes.key, key):
        notes = None
    known = {} if notes is None else notes.known
    claims = frozenset() if notes is None else notes.claims - read.keys()
    news = frozenset(
        name
        for name, value in read.items()
        if not is_same(
            compared(followed.fields[name], known.get(name, UNKNOWN)),
            compared(followed.fields[name], value),
        )
    )
    if not news and notes is not None:
        write(instance, notes._replace(claims=claims))
        return
    # It may be the transaction's own, which takes it along when it is rolled back.
    fate = fate_of_writes(instance._state.db or DEFAULT_DB_ALIAS)
    earlier = None if fate is None else notes
    write(instance, Notes(key, {**known, **read}, claims, fate, earlier, news))
