"""Django's models: classes by their label, saved instances by reference."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections
from django.db.models import Model
from django.db.models.base import ModelBase

from deferred_signals.errors import DecodeError, NotKnownHere
from deferred_signals.serialization.fields import decode_key, encode_key, key_form, keys_of
from deferred_signals.serialization.pending import Reference
from deferred_signals.serialization.refusals import Unencodable, brief
from deferred_signals.serialization.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Collection

    from deferred_signals.serialization.codec import Codec

__all__ = [
    "alias_of",
    "encode_row",
    "install",
    "is_saved",
    "key_set_form",
    "label_of",
    "model_of",
]


def install(codec: Codec) -> None:
    """Teach a codec this family. References decode to `Reference`: fetching is not decoding."""
    codec.add_encoder(ModelBase, lambda model, _codec: {"$model": label_of(model)}, subclasses=True)
    codec.add_decoder("$model", model_of)
    codec.add_encoder(Model, encode_row, subclasses=True)
    codec.add_raw_decoder("$ref", _reference)


def is_saved(row: Model) -> bool:
    """Whether there is a row in a database that a reference could lead to."""
    return row.pk is not None and not row._state.adding and row._state.db is not None


def key_set_form(model: type[Model], keys: Collection[Any]) -> Any:
    """Write a set of a model's primary keys by the field's own conversion.

    Raises:
        Unencodable: one is none that can travel.
    """
    field, *others = keys_of(model)
    if others:
        raise Unencodable(keys, "keys of several columns travel as tuples")
    return {"$set": [encode_key(field, key) for key in keys]}


@cache
def label_of(model: type[Model]) -> str:
    """The label of a model class that the app registry finds again: asked once, as models stay."""
    label = model._meta.label
    try:
        found = apps.get_model(label)
    except (LookupError, ValueError):
        found = None
    if found is not model:
        historical = model.__module__ == "__fake__"
        raise Unencodable(
            model,
            f"the app registry knows no model {label!r} that is this class",
            remedy="Defer nothing in a migration: put `with muted():` around what it saves."
            if historical
            else "",
        )
    return label


def model_of(label: object) -> type[Model]:
    """The model class of a label.

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
    """The alias of a database that this process has.

    Raises:
        DecodeError: it has none of this name.
    """
    if type(alias) is not str or alias not in connections:
        raise DecodeError(f"There is no database {brief(alias)} in this process.", alias)
    return alias


def encode_row(row: Model, codec: Codec) -> Any:
    """A reference to a saved row; the values of an unsaved one."""
    state = row._state
    if getattr(state, "travelled", None) == "deleted":  # it came by a message, and goes on
        return codec.encode_any(Snapshot(row, "deleted"))
    if not is_saved(row):
        return codec.encode_any(Snapshot(row, "unsaved"))
    return {"$ref": [label_of(type(row)), key_form(row), state.db]}


def _reference(parts: Any, _codec: Codec) -> Reference:
    label, form, alias = parts
    key = decode_key(form)
    hash(key)
    return Reference(model_of(label), key, alias_of(alias))
