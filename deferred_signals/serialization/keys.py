"""Primary keys: written by ``get_prep_value`` of their field, and given to a query as they are.

No field's code ever reads a key from a message.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from django.db.models import Value

from deferred_signals.errors import DecodeError
from deferred_signals.serialization.field_values import FIELDS
from deferred_signals.serialization.trusted_fields import has_djangos, is_trusted
from deferred_signals.serialization.unencodable import Unencodable

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import Model

__all__ = [
    "check_key",
    "decode_key",
    "encode_key",
    "fields_of_key",
    "key_form",
    "key_of",
    "key_set_form",
    "prepared",
]


def fields_of_key(model: type[Model]) -> list[Any]:
    """List the fields of a model's primary key; a composite key has several."""
    key: Any = model._meta.pk
    return list(getattr(key, "fields", ())) or [key]


def encode_key(field: Any, raw: Any) -> Any:
    """Write the form of a key of one column.

    Arguments:
        field: the primary key, or the foreign key, that holds it.
        raw: the key, as a row has it.

    Raises:
        Unencodable: neither the key nor its text can travel.
    """
    if type(raw) is int and has_djangos(field, "get_prep_value"):
        return FIELDS.encode_any(raw)
    try:
        key = field.get_prep_value(raw)
    except Exception:  # noqa: BLE001 - a row that was never saved may hold anything
        key = raw
    key = key.value if isinstance(key, Enum) else key
    try:
        return FIELDS.encode(key)
    except Unencodable:
        # Django's own `value_to_string` writes the text of such a value, too.
        return FIELDS.encode(str(key))


def decode_key(form: Any) -> Any:
    """Read a key; one of several columns is a tuple.

    Raises:
        DecodeError: the form is not that of a key.
    """
    return check_key(FIELDS.decode(form))


def check_key(key: Any) -> Any:
    """Return a decoded value, if it can be a key.

    Raises:
        DecodeError: it cannot.
    """
    parts = key if type(key) is tuple else (key,)
    if any(isinstance(part, (list, dict, set, tuple, frozenset)) for part in parts):
        raise DecodeError("A primary key is a plain value, or a tuple of such values.", key)
    return key


def key_form(row: Model) -> Any:
    """Write the form of a row's primary key.

    Raises:
        Unencodable: it cannot travel.
    """
    fields = fields_of_key(type(row))
    if len(fields) == 1:
        return encode_key(fields[0], row.pk)
    return {"$tuple": [encode_key(item, key) for item, key in zip(fields, row.pk, strict=True)]}


def key_set_form(model: type[Model], keys: Collection[Any]) -> Any:
    """Write the form of a set of a model's primary keys.

    Raises:
        Unencodable: one of them cannot travel.
    """
    field, *others = fields_of_key(model)
    if others:
        raise Unencodable(keys, "keys of several columns travel as tuples")
    return {"$set": [encode_key(field, key) for key in keys]}


def key_of(row: Model) -> Any:
    """Return a row's primary key as it arrives with a message, where its type may be another one."""
    return decode_key(key_form(row))


def prepared(model: type[Model], key: Any) -> Any:
    """Return a key as a query for ``pk`` takes it, so that no code of the key's field reads it.

    Arguments:
        model: whose key it is.
        key: as `decode_key` gave it.
    """
    fields = [_target(field) for field in fields_of_key(model)]
    if all(map(is_trusted, fields)):
        return key
    if len(fields) == 1:
        return PreparedKey(fields[0], key)
    return tuple(PreparedKey(*pair) for pair in zip(fields, key, strict=True))


class PreparedKey(Value):
    """A key in a query, which the database gets as ``get_prep_value`` once made it."""

    def __init__(self, field: Any, key: Any) -> None:
        super().__init__(key, output_field=field)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Write a placeholder, and the key as its parameter."""
        del compiler
        field: Any = self.output_field
        return "%s", (field.get_db_prep_value(self.value, connection=connection, prepared=True),)


def _target(field: Any) -> Any:
    """Follow a key that is a foreign key to the field that it stands for."""
    while field.is_relation:
        field = field.target_field
    return field
