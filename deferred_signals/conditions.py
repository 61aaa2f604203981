"""`changed()`: a condition on what a save changes, with the old and new values for the receiver.

Old values are kept in memory, for the fields and models that some condition asks about and no
others: when a row is loaded, refreshed or saved. That is django-model-utils' FieldTracker's way.
"""

from __future__ import annotations

import copy
import functools
import inspect
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models import Choices
from django.db.models.signals import post_init, post_save, pre_save

from deferred_signals.errors import InvalidReceiver
from deferred_signals.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.db.models import Model

    from deferred_signals.registry import Receiver

__all__ = ["Changed", "Changes", "changed", "changes_for", "track"]

#: Stands for "any value".
ANY: Any = type("Any", (), {"__repr__": lambda _: "ANY"})()

#: Where an instance keeps what it was, and what its latest saves changed.
_KEPT = "_deferred_signals_kept"
_SAVES = "_deferred_signals_saves"

#: Saves of one instance that are remembered: as deep as they may be inside one another.
_MOST_SAVES = 16

#: Old and new value, by the name of the field.
Changes = dict[str, tuple[Any, Any]]


def changed(*fields: str, to: Any = ANY, was: Any = ANY) -> Changed:
    """A condition for ``when=`` on ``post_save``: at least one of the fields has a new value.

    A field counts as changed when the save writes it (``update_fields`` says which) and its value
    differs from the one that the row was loaded, refreshed or last saved with. On a new row
    every field that is written has changed, from None. The receiver gets
    ``changes``, a dict from each changed field to ``(old, new)``.

    Arguments:
        fields: names of fields; foreign keys by either of their names.
        to: only changes to this value count.
        was: only changes from this value count.

    Raises:
        InvalidReceiver: no field was named.

    >>> changed("status", to="paid")
    changed('status', to='paid')
    """
    names: tuple[object, ...] = fields
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidReceiver(f"changed() takes names of fields, got {fields!r}.")
    return Changed(fields=fields, to=to, was=was)


class Changed(Frozen):
    """What `changed` makes: a callable for ``when=``, equal to another of the same words."""

    fields: tuple[str, ...]
    to: Any = ANY
    was: Any = ANY

    def __call__(self, sender: Any, **kwargs: Any) -> bool:
        """Whether the latest save changed one of the fields as asked, where tracking is on."""
        del sender
        saves = kwargs["instance"].__dict__.get(_SAVES) or [_Save({})]
        return bool(self.of(type(kwargs["instance"]), saves[-1].changes))

    def __repr__(self) -> str:
        words = [repr(name) for name in self.fields]
        words += [f"to={self.to!r}"] if self.to is not ANY else []
        words += [f"was={self.was!r}"] if self.was is not ANY else []
        return f"changed({', '.join(words)})"

    def of(self, model: type[Model], changes: Mapping[str, tuple[Any, Any]]) -> Changes:
        """Those of a save's changes that fit, by the names that were asked about."""
        names = {name: _attname(model, name) for name in self.fields}
        return {
            name: changes[attname]
            for name, attname in names.items()
            if attname in changes
            and (self.was is ANY or changes[attname][0] == self.was)
            and (self.to is ANY or changes[attname][1] == self.to)
        }

    def check(self, signal: Any, sender: Any) -> None:
        """Refuse, before anything is connected, a connection that cannot be tracked.

        Raises:
            InvalidReceiver: it is not for ``post_save`` of one model, or names no field of it.
        """
        if signal is not post_save or sender is None:
            raise InvalidReceiver(
                f"when={self!r} needs post_save and a sender: the model whose rows it watches."
            )
        if not isinstance(sender, str):
            for name in self.fields:
                _attname(sender, name)


class _Save:
    """What one save changes, and which receivers have seen it."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.seen_by: set[str] = set()


def changes_for(receiver: Receiver, kwargs: dict[str, Any]) -> Changes:
    """The changes of the save that a receiver is told of; none where it has no such condition.

    A save may happen inside another one's ``post_save``, and then receivers are told of the inner
    one first. So each receiver takes the latest save that it has not seen.
    """
    condition, instance = receiver.options.when, kwargs.get("instance")
    if not isinstance(condition, Changed) or instance is None:
        return {}
    for save in reversed(instance.__dict__.get(_SAVES, [])):
        if receiver.name not in save.seen_by:
            save.seen_by.add(receiver.name)
            return condition.of(type(instance), save.changes)
    return {}


def track(condition: Changed, sender: Any) -> None:
    """Begin to keep old values of the fields of a condition, for one model."""
    if isinstance(sender, str):
        label, _, name = sender.lower().partition(".")
        apps.lazy_model_operation(functools.partial(_track_model, condition), (label, name))
    else:
        _track_model(condition, sender)


_tracked: dict[type[Model], set[str]] = {}


def _track_model(condition: Changed, model: type[Model]) -> None:
    names = {_attname(model, name) for name in condition.fields}
    if model in _tracked:
        _tracked[model] |= names
        return
    _tracked[model] = names
    uid = "deferred_signals.conditions"
    post_init.connect(_keep, sender=model, dispatch_uid=uid)
    pre_save.connect(_compare, sender=model, dispatch_uid=uid)
    post_save.connect(_keep_saved, sender=model, dispatch_uid=uid)
    _follow_refresh(model)


def _attname(model: type[Model], name: str) -> str:
    for item in model._meta.concrete_fields:
        if name in {item.name, item.attname}:
            return item.attname
    raise InvalidReceiver(f"{model._meta.label} has no field {name!r} of its own table to watch.")


def _keep(sender: type[Model], instance: Model, **_kwargs: Any) -> None:
    """Note the values of a row as it was loaded or made."""
    instance.__dict__[_KEPT] = _values(instance, _tracked[sender])


def _compare(
    sender: type[Model], instance: Model, update_fields: frozenset[str] | None = None, **_: Any
) -> None:
    """Before the save: what it changes, of the fields that it writes."""
    kept, adding = _kept(instance), instance._state.adding
    changes = {}
    for attname, new in _values(instance, _written(sender, update_fields)).items():
        if adding or (attname in kept and kept[attname] != new):
            changes[attname] = (None if adding else kept[attname], new)
    saves = instance.__dict__.setdefault(_SAVES, [])
    saves.append(_Save(changes))
    del saves[:-_MOST_SAVES]


def _keep_saved(
    sender: type[Model], instance: Model, update_fields: frozenset[str] | None = None, **_: Any
) -> None:
    """After the save: what was written is the old value from now on."""
    _kept(instance).update(_values(instance, _written(sender, update_fields)))


def _kept(instance: Model) -> dict[str, Any]:
    kept: dict[str, Any] = instance.__dict__.setdefault(_KEPT, {})
    return kept


def _values(instance: Model, names: set[str]) -> dict[str, Any]:
    """Values of the fields that are loaded, copied: nothing is fetched."""
    loaded = instance.__dict__
    return {name: _as_stored(loaded[name]) for name in names if name in loaded}


def _as_stored(value: Any) -> Any:
    """A copy, since values may change in place; of a member of choices, what the row will hold."""
    return value.value if isinstance(value, Choices) else copy.deepcopy(value)


def _written(model: type[Model], update_fields: Iterable[str] | None) -> set[str]:
    names = _tracked[model]
    if update_fields is None:
        return names
    return names & {_attname_or_same(model, name) for name in update_fields}


def _attname_or_same(model: type[Model], name: str) -> str:
    field: Any = model._meta.get_field(name)
    return getattr(field, "attname", name)


def _follow_refresh(model: type[Model]) -> None:
    """No signal tells of ``refresh_from_db``, so the model's own method is wrapped."""
    original = model.refresh_from_db

    @functools.wraps(original)
    def refresh_from_db(self: Model, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if type(self) in _tracked:
            given = inspect.signature(original).bind(self, *args, **kwargs).arguments
            _kept(self).update(_values(self, _written(type(self), given.get("fields"))))

    model.refresh_from_db = refresh_from_db  # type: ignore[method-assign]  # wrapped, not replaced
