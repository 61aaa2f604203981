"""`changed()`: a condition on what a save changes, with the old and new values for the receiver.

Old values are kept in memory, for the fields and models that some condition asks about and for no
others. They are those with which a row was loaded, refreshed or last saved.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.db.models.signals import post_save

from deferred_signals import conf
from deferred_signals.errors import InvalidReceiver
from deferred_signals.receivers.changes.kept import as_told, compared, is_same, kept
from deferred_signals.receivers.changes.saves import Changes, latest, shape_of
from deferred_signals.receivers.changes.saves import changes_for as changes_of_save
from deferred_signals.receivers.changes.tracking import follow
from deferred_signals.support.frozen import Frozen
from deferred_signals.support.hints import nearest
from deferred_signals.support.unknown import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deferred_signals.receivers.receiver import Receiver

__all__ = ["Changed", "Changes", "changed", "changes_for", "track"]

#: Stands for "any value".
ANY: Any = type("Any", (), {"__repr__": lambda _: "ANY"})()


def changed(*fields: str, to: Any = ANY, was: Any = ANY) -> Changed:
    """Make a condition for ``when=`` on ``post_save``: at least one of the fields has a new value.

    A field has changed when the save wrote it (``update_fields`` says which) and its value differs
    from the one that the row was loaded, refreshed or last saved with. On a new row every field
    that is written has changed, from None. A save that was rolled back changed nothing. The
    receiver gets ``changes``, a dict from each changed field to ``(old, new)``.

    A value that is not known counts as a change, is `deferred_signals.UNKNOWN` in ``changes``, and
    is neither ``to`` nor ``was``: an expression that Django did not read back, or the old value
    of a field that was not loaded.

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
    """What `changed` makes: a callable for ``when=``; those with equal arguments are equal."""

    fields: tuple[str, ...]
    to: Any = ANY
    was: Any = ANY

    def __call__(self, sender: Any, **kwargs: Any) -> bool:
        """Tell whether the save changed one of the fields as asked, where they are followed."""
        del sender
        instance = kwargs.get("instance")
        if not isinstance(instance, Model):
            return False
        shape = shape_of(kwargs) if "update_fields" in kwargs else None
        return bool(self.of(type(instance), latest(instance, shape)))

    def __repr__(self) -> str:
        words = [repr(name) for name in self.fields]
        words += [f"to={self.to!r}"] if self.to is not ANY else []
        words += [f"was={self.was!r}"] if self.was is not ANY else []
        return f"changed({', '.join(words)})"

    def of(self, model: type[Model], changes: Mapping[str, tuple[Any, Any]]) -> Changes:
        """Return those of a save's changes that fit, by the names that were asked about."""
        if not changes:
            return {}
        found = {}
        for name in self.fields:
            field = _field_of(model, name)
            pair = changes.get(field.attname)
            if pair and _is(field, pair[0], self.was) and _is(field, pair[1], self.to):
                found[name] = pair
        return found

    def check(self, signal: Any, sender: Any) -> None:
        """Refuse, before anything is connected, a connection that cannot be followed.

        Raises:
            InvalidReceiver: it is not for ``post_save`` of one model, or names no field that can be
                followed.
        """
        if signal is not post_save or sender is None:
            raise InvalidReceiver(
                f"when={self!r} needs post_save and a sender: the model whose rows it watches."
            )
        model = _loaded_model(sender) if isinstance(sender, str) else sender
        if model is not None:
            self.fields_of(model)

    def fields_of(self, model: Any) -> list[Any]:
        """Return the fields of a model that are to be followed.

        Raises:
            InvalidReceiver: one of them, or the model, cannot be.
        """
        if not isinstance(model, type) or not issubclass(model, Model):
            raise InvalidReceiver(
                f"when={self!r} needs a sender that is a model: the one whose rows it watches, "
                f"got {model!r}."
            )
        if model._meta.abstract:
            raise InvalidReceiver(
                f"when={self!r} cannot follow {model._meta.label}, which is abstract: no row is "
                f"saved as one. Name the models that derive from it as senders."
            )
        if model._meta.auto_created:
            raise InvalidReceiver(
                f"when={self!r} cannot follow {model._meta.label}: Django sends no post_save for "
                f"the rows of a many-to-many relation. m2m_changed tells of them."
            )
        return [_field_of(model, name) for name in self.fields]


def changes_for(receiver: Receiver, kwargs: dict[str, Any]) -> Changes:
    """Return the changes that a receiver is told of; none where it has no such condition.

    The receiver is told that a secret changed, but neither of its values.
    """
    condition, instance = receiver.options.when, kwargs.get("instance")
    if not isinstance(condition, Changed) or not isinstance(instance, Model):
        return {}
    model = type(instance)
    changes = condition.of(model, changes_of_save(receiver.name, instance, shape_of(kwargs)))
    return {
        name: (UNKNOWN, UNKNOWN)
        if _is_secret(_field_of(model, name), receiver.options.exclude_fields)
        else (as_told(old), as_told(new))
        for name, (old, new) in changes.items()
    }


def track(condition: Changed, sender: Any) -> None:
    """Begin to keep old values of the fields of a condition, for one model."""
    if isinstance(sender, str):
        label, _, name = sender.lower().partition(".")
        apps.lazy_model_operation(functools.partial(_track_model, condition), (label, name))
    else:
        _track_model(condition, sender)


def _track_model(condition: Changed, model: type[Model]) -> None:
    follow(model, condition.fields_of(model))


def _loaded_model(label: str) -> type[Model] | None:
    """Return the model of a label, if it is loaded already."""
    app, _, name = label.partition(".")
    try:
        return apps.get_registered_model(app, name)
    except LookupError:
        return None


def _field_of(model: type[Model], name: str) -> Any:
    """Return the field of a name, among those that a save writes.

    Raises:
        InvalidReceiver: there is no such field; the error says why.
    """
    for field in model._meta.concrete_fields:
        if name in {field.name, field.attname}:
            if field.generated:
                raise InvalidReceiver(
                    f"changed() cannot follow {model._meta.label}.{name}, which the database "
                    f"computes from other fields: name those."
                )
            return field
    raise InvalidReceiver(_refusal(model, name))


def _refusal(model: type[Model], name: str) -> str:
    """Say why a model has no such field to follow, and what to do."""
    try:
        field: Any = model._meta.get_field(name)
    except FieldDoesNotExist:
        columns = [field.name for field in model._meta.concrete_fields]
        return (
            f"{model._meta.label} has no field {name!r} that changed() could follow. "
            f"{nearest(name, columns)}"
        )
    if field.many_to_many:
        reason = "is a many-to-many relation. m2m_changed tells of its changes."
    elif field.auto_created:
        reason = "is a relation of another model's, whose rows hold it. Watch that model."
    else:
        reason = "has no column of its own. Name the fields that it is made of."
    return f"changed() cannot follow {model._meta.label}.{name}, which {reason}"


def _is(field: Any, value: Any, wanted: Any) -> bool:
    """Tell whether a compared value is the one that a condition asks for."""
    return wanted is ANY or is_same(value, compared(field, kept(field, wanted)))


def _is_secret(field: Any, excluded: frozenset[str]) -> bool:
    """Tell whether values of a field must not lie in a broker."""
    names = {field.name, field.attname}
    if names & excluded:
        return True
    secrets = {name.casefold() for name in conf.current().SENSITIVE} | {"password"}
    if not secrets.isdisjoint(name.casefold() for name in names):
        return True
    parts = (field, getattr(field, "base_field", None))
    return any(
        "encrypt" in kind.__name__.casefold() for part in parts for kind in type(part).__mro__
    )
