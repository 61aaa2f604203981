"""Django's models: classes by their label, saved instances by reference."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections
from django.db.models import Model
from django.db.models.base import ModelBase

from deferred_signals.errors import DecodeError
from deferred_signals.serialization.codec import Unencodable
from deferred_signals.serialization.pending import Reference
from deferred_signals.serialization.snapshot import Snapshot

if TYPE_CHECKING:
    from deferred_signals.serialization.codec import Codec

__all__ = ["encode_row", "install", "is_saved", "label_of", "model_of"]


def install(codec: Codec) -> None:
    """Teach a codec this family. References decode to `Reference`: fetching is not decoding."""
    codec.add_encoder(ModelBase, lambda model, _codec: {"$model": label_of(model)}, subclasses=True)
    codec.add_decoder("$model", model_of)
    codec.add_encoder(Model, encode_row, subclasses=True)
    codec.add_decoder("$ref", _reference)


def is_saved(row: Model) -> bool:
    """Whether there is a row in a database that a reference could lead to."""
    return row.pk is not None and not row._state.adding and row._state.db is not None


@cache
def label_of(model: type[Model]) -> str:
    """The label of a model class that the app registry finds again: asked once, as models stay."""
    label = model._meta.label
    try:
        found = apps.get_model(label)
    except (LookupError, ValueError):
        found = None
    if found is not model:
        raise Unencodable(model, f"the app registry knows no model {label!r} that is this class")
    return label


def model_of(label: object) -> type[Model]:
    """The model class of a label.

    Raises:
        DecodeError: the app registry has no such model.
    """
    try:
        return apps.get_model(label)  # type: ignore[arg-type]  # a wrong type is among the errors
    except (AttributeError, LookupError, TypeError, ValueError):
        raise DecodeError(f"There is no model {label!r} in this process.", label) from None


def encode_row(row: Model, codec: Codec) -> Any:
    """A reference to a saved row; the values of an unsaved one."""
    state, pk = row._state, row.pk
    if getattr(state, "travelled", None) == "deleted":  # it came by a message, and goes on
        return codec.encode_any(Snapshot(row, "deleted"))
    if not is_saved(row):
        return codec.encode_any(Snapshot(row, "unsaved"))
    return {"$ref": [label_of(type(row)), codec.encode_any(pk), state.db]}


def _reference(parts: Any) -> Reference:
    label, pk, alias = parts
    if alias not in connections:
        raise DecodeError(f"There is no database {alias!r} in this process.", alias)
    hash(pk)
    return Reference(model_of(label), pk, alias)
