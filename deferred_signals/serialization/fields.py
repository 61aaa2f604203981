"""Values of a row's fields: how they are written, and how they are read again.

A plain value is written as it is. Any other value is written as its field's own conversions write it.
Which fields may read values from a message stands in `trusted_fields`; the values of all others stay
behind.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.db.models import BinaryField, FileField, JSONField

from deferred_signals.errors import DecodeError
from deferred_signals.serialization.field_values import FIELDS
from deferred_signals.serialization.keys import check_key, encode_key
from deferred_signals.serialization.trusted_fields import is_key, is_trusted
from deferred_signals.serialization.unencodable import Unencodable

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["decode_field", "encode_field", "read_field"]


def encode_field(field: Any, raw: Any, row: Model) -> Any:
    """Write the form of a field's value.

    Arguments:
        field: a concrete field.
        raw: what ``row.__dict__`` has for it.
        row: the row.

    Raises:
        Unencodable: neither the value nor what the field makes of it can travel.
    """
    if hasattr(raw, "resolve_expression"):
        raise Unencodable(raw, "it is an expression that only the database can resolve")
    if isinstance(raw, Enum):
        raw = raw.value
    elif isinstance(raw, File):
        raw = raw.name
    if is_key(field):
        return encode_key(field, raw)
    try:
        if is_trusted(field):
            return FIELDS.encode(raw)
    except Unencodable:
        if isinstance(field, JSONField):
            return _encode_json(field, raw)
    return _encode_prepared(field, raw, row)


def decode_field(form: Any) -> Any:
    """Read the form of a field's value, as far as that can be done without the field.

    Raises:
        DecodeError: `encode_field` writes no such form.
    """
    if type(form) is dict and form.keys() == {"$field"}:
        text = form["$field"]
        if type(text) is not str:
            raise DecodeError("The text of a field is no text.", form)
        return _FieldText(text)
    return FIELDS.decode(form)


def read_field(field: Any, value: Any) -> Any:
    """Make what `decode_field` gave a value of its field, by the field's own ``to_python``.

    Must be called for fields that do not stay behind, and for no others.

    Raises:
        DecodeError: the field can hold no such value.
    """
    text = value.text if isinstance(value, _FieldText) else value
    if is_key(field):
        read = check_key(text)
    else:
        try:
            read = field.to_python(text)
        except Exception as error:  # noqa: BLE001 - whatever a field does to data from outside
            raise _unreadable(field, error) from None
    if (isinstance(field, FileField) and not isinstance(read, (str, type(None)))) or (
        isinstance(field, BinaryField) and not isinstance(read, (bytes, memoryview, type(None)))
    ):
        raise _unreadable(field, TypeError())
    return read


class _FieldText:
    """A value as its field writes it for Django's serializers."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _encode_json(field: Any, raw: Any) -> Any:
    """Write a value that the JSONField's own encoder makes JSON: dates inside, or members of choices."""
    try:
        return FIELDS.encode(json.loads(json.dumps(raw, cls=field.encoder)))
    except (TypeError, ValueError, RecursionError):
        raise Unencodable(raw, "its field's encoder cannot make JSON of it") from None


def _encode_prepared(field: Any, raw: Any, row: Model) -> Any:
    """Write a value as its field prepares it for the database, or else for Django's serializers."""
    try:
        return FIELDS.encode(field.get_prep_value(raw))
    except Exception:  # noqa: BLE001, S110 - whatever a field does; there is another way
        pass
    try:
        text = field.value_to_string(row)
    except Exception as error:  # noqa: BLE001 - as above
        name = type(error).__name__
        raise Unencodable(raw, f"its field could not write it ({name})") from None
    if not isinstance(text, str):
        raise Unencodable(raw, "value_to_string() of its field gives no text for it")
    return {"$field": str.__str__(text)}


def _unreadable(field: Any, error: Exception) -> DecodeError:
    return DecodeError(
        f"The field {field} cannot hold the value that a message has for it "
        f"({type(error).__name__}). Sender and worker may have different versions of the model."
    )
