"""Tell what a save changes: a row is compared, when it is saved, with what was noted of it before.

Only the models and fields that a condition names are followed. The notes are on
``instance._state``, which is no field and no argument of a model.

The comparison waits for ``post_save``. By then handlers of ``pre_save`` and ``Field.pre_save``
have set what they set, and Django has read back the values of expressions, where it can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_init, post_save, pre_save

from deferred_signals.receivers.changes.fates import fate_of_writes
from deferred_signals.receivers.changes.kept import NOTHING, compared, is_same
from deferred_signals.receivers.changes.notes import Notes, notes_of, write
from deferred_signals.receivers.changes.refreshing import follow_refresh, note_loaded
from deferred_signals.receivers.changes.rows import Followed, is_same_key, key_of, values_of
from deferred_signals.receivers.changes.saves import Began, Saved, begin, end, shape_of, tell
from deferred_signals.support.unknown import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model

    from deferred_signals.receivers.changes.saves import Changes

__all__ = ["follow"]

_followed: dict[type[Model], Followed] = {}


def follow(model: type[Model], fields: list[Any]) -> None:
    """Begin to note values of a model's fields."""
    found = _followed.get(model)
    if found is None:
        found = Followed({field.attname: field for field in model._meta.pk_fields}, {})
        _followed[model] = found
        uid = "deferred_signals.receivers.conditions"
        post_init.connect(_note_made, sender=model, dispatch_uid=uid)
        pre_save.connect(_note_begin, sender=model, dispatch_uid=uid)
        post_save.connect(_compare, sender=model, dispatch_uid=uid)
        follow_refresh(model, _followed.get)
    # Replaced and not altered, as another thread may be reading it.
    more = {field.attname: field for field in fields}
    _followed[model] = found._replace(fields={**found.fields, **more})


def _note_made(sender: type[Model], instance: Model, **_kwargs: Any) -> None:
    """Note the values of an instance that has a primary key, and so may have been loaded."""
    followed = _followed[sender]
    key = key_of(followed, instance)
    if key is not None:
        known = values_of(followed, instance)
        notes = Notes(key, known, claims=frozenset(known))
        write(instance, notes)
        note_loaded(sender, notes)


def _note_begin(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    """Note, before a save, whether what is known is known of the row that the save will write."""
    state = getattr(instance, "_state", None)
    if state is None:
        return
    followed = _followed[sender]
    notes = _notes_of_row(followed, instance)
    write(instance, notes)
    claims = values_of(followed, instance) if state.adding else {}
    begin(instance, Began(shape_of(kwargs), state.adding, notes is None, claims))


def _compare(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    """Tell, after a save, what the save has changed, and note what the row holds now."""
    if getattr(instance, "_state", None) is None:
        return
    followed, shape = _followed[sender], shape_of(kwargs)
    created = bool(kwargs.get("created"))
    began, outer = end(instance, shape)
    before = {} if created else _before(followed, instance, began, outer)
    now = values_of(followed, instance)
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
    key = key_of(followed, instance)
    if key is not None:
        fate = fate_of_writes(kwargs.get("using") or instance._state.db or DEFAULT_DB_ALIAS)
        earlier = None if fate is None else notes_of(instance)
        write(instance, Notes(key, known, fate=fate, before=earlier))


def _before(
    followed: Followed, instance: Model, began: Began | None, outer: Began | None
) -> Mapping[str, Any]:
    """Return what is known of a row from before a save that was no insert."""
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
        return False  # a fixture saves each table of a model by itself
    return bool(kwargs.get("created")) or field not in field.model._meta.pk_fields


def _notes_of_row(followed: Followed, instance: Model) -> Notes | None:
    """Return what is known of the row that an instance would be saved to."""
    notes, state = notes_of(instance), instance._state
    if notes is not None and (state.adding or state.db is None):
        notes = notes.without_claims()  # the instance was not loaded
    if notes is None or not is_same_key(followed, notes.key, key_of(followed, instance)):
        return None
    return notes
