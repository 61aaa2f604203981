"""Django's models: classes by their label, saved instances by reference."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections
from django.db.models import Model
from django.db.models.base import ModelBase

from deferred_signals.errors import DecodeError, NotKnownHere
from deferred_signals.serialization.keys import decode_key, key_form
from deferred_signals.serialization.marks import Snapshot
from deferred_signals.serialization.pending import Reference
from deferred_signals.serialization.unencodable import Unencodable, brief

if TYPE_CHECKING:
    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder

__all__ = ["alias_of", "encode_row", "install", "is_saved", "label_of", "model_of"]


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_encoder(
        ModelBase, lambda model, _encoder: {"$model": label_of(model)}, subclasses=True
    )
    codec.add_decoder("$model", model_of)
    codec.add_encoder(Model, encode_row, subclasses=True)
    codec.add_raw_decoder("$ref", _decode_reference)


def is_saved(row: Model) -> bool:
    """Return whether a reference could lead to a row in a database."""
    return row.pk is not None and not row._state.adding and row._state.db is not None


@cache
def label_of(model: type[Model]) -> str:
    """Return the label by which the app registry finds a model class again.

    Raises:
        Unencodable: the app registry has no such model, or another class of this label.
    """
    label = model._meta.label
    try:
        found = apps.get_model(label)
    except (LookupError, ValueError):
        found = None
    if found is not model:
        raise Unencodable(
            model,
            f"the app registry knows no model {label!r} that is this class",
            remedy="Defer nothing in a migration: put `with muted():` around what it saves."
            if _is_historical(model)
            else "",
        )
    return label


def _is_historical(model: type[Model]) -> bool:
    """Return whether a model class is one that a migration works with.

    Django makes them in a module of this name, and tells it in no other way.
    """
    return model.__module__ == "__fake__"


def model_of(label: object) -> type[Model]:
    """Find the model class of a label.

    Raises:
        NotKnownHere: the app registry has no such model.
        DecodeError: it is no label.
    """
    if type(label) is not str or label.count(".") != 1:
        raise DecodeError("A model is named by its label.", label)
    try:
        return apps.get_model(label)
    except LookupError:
        raise NotKnownHere(f"There is no model {brief(label)} in this process.", label) from None


def alias_of(alias: object) -> str:
    """Return the alias of a database, if this process has that database.

    Raises:
        DecodeError: it has none of this alias.
    """
    if type(alias) is not str or alias not in connections:
        raise DecodeError(f"There is no database {brief(alias)} in this process.", alias)
    return alias


def encode_row(row: Model, encoder: Encoder) -> Any:
    """Write a reference to a saved row, or a snapshot of one that no reference leads to."""
    state = row._state
    if getattr(state, "travelled", None) == "deleted":  # it came with a message, and is sent on
        return encoder.encode_any(Snapshot(row, "deleted"))
    if not is_saved(row):
        return encoder.encode_any(Snapshot(row, "unsaved"))
    return {"$ref": [label_of(type(row)), key_form(row), state.db]}


def _decode_reference(parts: Any) -> Reference:
    label, form, alias = parts
    key = decode_key(form)
    hash(key)
    return Reference(model_of(label), key, alias_of(alias))
