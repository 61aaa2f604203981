"""The classes of a receiver's kwargs, as far as they are known, and the attributes that these have."""

from __future__ import annotations

import inspect
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from django.apps import apps
from django.conf import settings
from django.db.models import Model
from django.db.models.signals import ModelSignal, m2m_changed

from deferred_signals.checks.common import model_of
from deferred_signals.serialization import RequestSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from deferred_signals.receivers.receiver import Receiver

__all__ = ["Known", "classes_of", "has", "lacks", "tracker_of"]

_MISSING = object()

#: Packages that track changes in memory, and the names by which they are asked.
_TRACKERS = {
    "dirtyfields": frozenset({"get_dirty_fields", "is_dirty"}),
    "django_lifecycle": frozenset({"has_changed", "initial_value"}),
}


class Known(NamedTuple):
    """What is known of one kwarg.

    Attributes:
        classes: all classes that it may be of; empty if they are not known.
        may_be_row: whether it may be an instance of a model.
    """

    classes: tuple[type, ...] = ()
    may_be_row: bool = True


def classes_of(receiver: Receiver, name: str) -> Known:
    """Tell what is known of a kwarg: from the receiver's connections, or else from its annotation."""
    found: list[type] = []
    for signal, sender, _uid in receiver.connections:
        classes = list(_classes_on(signal, sender, name))
        if not classes:
            return _by_annotation(receiver, name)
        found += classes
    return Known(tuple(dict.fromkeys(found)))


def _by_annotation(receiver: Receiver, name: str) -> Known:
    try:
        hint = get_type_hints(inspect.unwrap(receiver.function)).get(name)
    except Exception:  # noqa: BLE001 - evaluating annotations may raise anything
        return Known()
    is_several = get_origin(hint) in {Union, UnionType, type}
    parts: list[Any] = (
        [part for part in get_args(hint) if part is not NoneType] if is_several else [hint]
    )
    if not parts or not all(isinstance(part, type) for part in parts):
        return Known()
    if all(issubclass(part, Model) and not _is_abstract(part) for part in parts):
        return Known(tuple(parts))
    # `Any`, `object` and `Model` itself say nothing. A value of any other class is no row.
    return Known(may_be_row=any(part in {Any, object} or issubclass(part, Model) for part in parts))


def _is_abstract(model: type[Model]) -> bool:
    return model is Model or model._meta.abstract


def _classes_on(signal: Any, sender: Any, name: str) -> Iterator[type]:
    """Give the classes that a kwarg may be of, on one connection; nothing if they are not known."""
    if name == "request":
        yield RequestSnapshot
    elif isinstance(signal, ModelSignal) and name == "instance":
        model = model_of(sender)
        if model is not None:
            yield from _sides_of(model) if signal is m2m_changed else (model,)
    elif name == "sender":
        model = model_of(sender)
        if model is not None:
            yield model
        elif inspect.isclass(sender):
            yield sender
    elif name == "user" and not isinstance(signal, ModelSignal):
        user = model_of(settings.AUTH_USER_MODEL)
        if user is not None:
            yield from (user, *_anonymous())


def _sides_of(through: type[Model]) -> list[type[Model]]:
    """List the models that a through model connects. ``instance`` may be of any model if none is given."""
    if any(hasattr(field, "ct_field") for field in through._meta.private_fields):
        return []  # a generic relation, like a tag's
    found = [
        field.related_model
        for field in through._meta.fields
        if field.is_relation and field.remote_field
    ]
    return [model for model in found if isinstance(model, type)]


def _anonymous() -> Iterable[type]:
    if apps.is_installed("django.contrib.auth"):
        from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415 - only where installed

        yield AnonymousUser


def has(kind: type, name: str) -> bool:
    """Return whether instances of a class have an attribute, without other code setting it on them.

    No descriptor is called, since a property may do anything.
    """
    if inspect.getattr_static(kind, name, _MISSING) is not _MISSING:
        return True
    if any(name in inspect.get_annotations(base) for base in kind.__mro__):
        return True
    answers_all = (
        kind is not RequestSnapshot
        and inspect.getattr_static(kind, "__getattr__", None) is not None
    )
    return answers_all or (issubclass(kind, Model) and name in _fields_of(kind))


def _fields_of(model: type[Model]) -> set[str]:
    found = set()
    for field in model._meta.get_fields():
        found |= {field.name, str(getattr(field, "attname", field.name))}
    return found


def lacks(classes: Iterable[type], path: tuple[str, ...]) -> bool:
    """Return whether a path of attributes leads to one that no instance of the classes has.

    It is followed through relations to one row. Beyond any other attribute nothing is known.
    """
    *steps, last = path
    for step in steps:
        classes = [related for kind in classes for related in _related(kind, step)]
    found = list(classes)
    return bool(found) and not any(has(kind, last) for kind in found)


def _related(kind: type, name: str) -> Iterator[type]:
    if not issubclass(kind, Model):
        return
    for field in kind._meta.get_fields():
        accessor = getattr(field, "get_accessor_name", lambda: field.name)()  # noqa: B023 - called at once
        to_one = field.many_to_one or field.one_to_one
        if name == accessor and to_one and isinstance(field.related_model, type):
            yield field.related_model


def tracker_of(classes: Iterable[type], path: Iterable[str]) -> str | None:
    """Return the package that tracks changes in memory, if a path leads to such a tracker."""
    name = next(iter(path), "")
    for kind in classes:
        found = inspect.getattr_static(kind, name, None)
        for module in (type(found).__module__, getattr(found, "__module__", None)):
            package = str(module).partition(".")[0]
            if name in _TRACKERS.get(package, ()) or "Tracker" in type(found).__name__:
                return package
    return None
