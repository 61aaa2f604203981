"""What a row's field holds: how a value of it is written, and what may read it again.

A value travels as Python has it, where that is a plain value; else as the field's own conversions
write it. Reading is another matter, since a message is data from outside, and some fields run
what they are given (a pickling field does). So ``to_python`` is called where it is Django's own;
of the other classes of fields, only where the project names them with `register_type`, or the
message is signed. The value of any other field stays behind, and so does what a field encrypts.

A key is no such value: it is written by ``get_prep_value`` and given to a query as it is.
"""

from __future__ import annotations

import json
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.db.models import BinaryField, FileField, JSONField, Value

from deferred_signals import conf
from deferred_signals.errors import DecodeError
from deferred_signals.serialization import values
from deferred_signals.serialization.codec import Codec
from deferred_signals.serialization.refusals import Unencodable

if TYPE_CHECKING:
    from decimal import Decimal

    from django.db.models import Field, Model

__all__ = [
    "FIELDS",
    "FieldText",
    "decode_field",
    "decode_key",
    "encode_field",
    "encode_key",
    "key_form",
    "key_of",
    "keys_of",
    "prepared",
    "read_field",
    "register_field",
    "stays_behind",
]

#: Digits of the largest number that a field is given. The fields of whole numbers would write out
#: all the digits of one that is short to write, like 1E+999999999.
MOST_DIGITS = 5000


def _decode_decimal(text: str) -> Decimal:
    number = values.decode_decimal(text)
    if number.is_finite() and not -MOST_DIGITS <= number.adjusted() <= MOST_DIGITS:
        raise ValueError("a number is too large for a field")
    return number


def _decode_int(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError("a number is too large for a field")
    return values.decode_int(text)


#: What a field may hold, and a key be: values alone, no rows, requests, classes or types of a project.
FIELDS = Codec()
values.install(FIELDS)
FIELDS.add_plain_decoder("$safe", str)
FIELDS.add_plain_decoder("$decimal", _decode_decimal)
FIELDS.add_plain_decoder("$int", _decode_int)
values.install_derived(FIELDS)

#: Classes of fields whose ``to_python`` the project lets read what messages hold.
_registered: set[type] = set()


def register_field(kind: type[Field[Any, Any]]) -> None:
    """Let a class of fields read values from messages by its own ``to_python``."""
    _registered.add(kind)


def stays_behind(field: Any) -> str | None:
    """Say why the values of a field do not travel in snapshots; None where they do.

    Arguments:
        field: a concrete field of a model.
    """
    kind: Any = type(field)
    if _encrypts(kind):
        return "the field encrypts what it stores, and a message would hold it in clear"
    if _is_key(field) or _reads_by_djangos_code(field) or conf.current().SIGNING:
        return None
    return (
        f"{type(field).__name__} reads values by code of its own, which data from outside must not "
        f"reach: call register_type({type(field).__name__}) if it may, or turn SIGNING on"
    )


def encode_field(field: Any, raw: Any, row: Model) -> Any:
    """Write the value of a field of a row.

    Arguments:
        field: a concrete field.
        raw: what ``row.__dict__`` has for it.
        row: the row.

    Raises:
        Unencodable: neither Python's value nor what the field makes of it can travel.
    """
    if hasattr(raw, "resolve_expression"):
        raise Unencodable(raw, "it is an expression that only the database can resolve")
    if isinstance(raw, Enum):
        raw = raw.value
    elif isinstance(raw, File):
        raw = raw.name
    if _is_key(field):
        return encode_key(field, raw)
    try:
        if _reads_by_djangos_code(field):
            return FIELDS.encode(raw)
    except Unencodable:
        if isinstance(field, JSONField):
            return _encode_json(field, raw)
    return _encode_prepared(field, raw, row)


def decode_field(form: Any) -> Any:
    """Read the form of a field's value, as far as that goes without the field.

    Raises:
        DecodeError: it is none that `encode_field` writes.
    """
    if type(form) is dict and form.keys() == {"$field"}:
        text = form["$field"]
        if type(text) is not str:
            raise DecodeError("The text of a field is no text.", form)
        return FieldText(text)
    return FIELDS.decode(form)


def read_field(field: Any, value: Any) -> Any:
    """Make what `decode_field` gave a value of its field, by the field's own ``to_python``.

    To be asked of fields that do not stay behind.

    Raises:
        DecodeError: the field can hold no such value.
    """
    text = value.text if isinstance(value, FieldText) else value
    if _is_key(field):
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


class FieldText:
    """A value as its field writes it for Django's serializers."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def keys_of(model: type[Model]) -> list[Any]:
    """List the fields that are a model's primary key: more than one of a composite key."""
    key: Any = model._meta.pk
    return list(getattr(key, "fields", ())) or [key]


def encode_key(field: Any, raw: Any) -> Any:
    """Write a key as ``get_prep_value`` gives it.

    Arguments:
        field: a primary key or a foreign key.
        raw: the key, as a row has it.

    Raises:
        Unencodable: what the field makes of it is no plain value.
    """
    if type(raw) is int and _has_djangos(field, "get_prep_value"):
        return FIELDS.encode_any(raw)
    try:
        key = field.get_prep_value(raw)
    except Exception:  # noqa: BLE001 - a row that was never saved may hold anything
        key = raw
    key = key.value if isinstance(key, Enum) else key
    try:
        return FIELDS.encode(key)
    except Unencodable:
        # Django's own `value_to_string` writes a value whose type only its field knows so, too.
        return FIELDS.encode(str(key))


def decode_key(form: Any) -> Any:
    """Read a key; one of several columns is a tuple.

    Raises:
        DecodeError: it can be no key.
    """
    return check_key(FIELDS.decode(form))


def check_key(key: Any) -> Any:
    """Give back what can be a key.

    Raises:
        DecodeError: it cannot.
    """
    parts = key if type(key) is tuple else (key,)
    if any(isinstance(part, (list, dict, set, tuple, frozenset)) for part in parts):
        raise DecodeError("A primary key is a plain value, or a tuple of such values.", key)
    return key


def key_form(row: Model) -> Any:
    """Write a row's primary key by its fields' own conversion.

    Raises:
        Unencodable: it is none that can travel.
    """
    fields = keys_of(type(row))
    if len(fields) == 1:
        return encode_key(fields[0], row.pk)
    return {"$tuple": [encode_key(item, key) for item, key in zip(fields, row.pk, strict=True)]}


def key_of(row: Model) -> Any:
    """Give a row's primary key as it arrives with a message, which may be of another type."""
    return decode_key(key_form(row))


def prepared(model: type[Model], key: Any) -> Any:
    """Make a key what a query for ``pk`` takes, so that no code of the key's field reads it.

    Arguments:
        model: whose key it is.
        key: as `decode_key` gave it.
    """
    fields = [_target(field) for field in keys_of(model)]
    if all(map(_reads_by_djangos_code, fields)):
        return key
    if len(fields) == 1:
        return PreparedKey(fields[0], key)
    return tuple(PreparedKey(*pair) for pair in zip(fields, key, strict=True))


class PreparedKey(Value):
    """A key for a query, which gives it to the database as ``get_prep_value`` once made it."""

    def __init__(self, field: Any, key: Any) -> None:
        super().__init__(key, output_field=field)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Write a placeholder, and the key as its parameter."""
        del compiler
        field: Any = self.output_field
        return "%s", (field.get_db_prep_value(self.value, connection=connection, prepared=True),)


def _encode_json(field: Any, raw: Any) -> Any:
    """Write what only the encoder of a JSONField makes JSON: dates inside, or members of choices."""
    try:
        return FIELDS.encode(json.loads(json.dumps(raw, cls=field.encoder)))
    except (TypeError, ValueError, RecursionError):
        raise Unencodable(raw, "it is no JSON") from None


def _encode_prepared(field: Any, raw: Any, row: Model) -> Any:
    """Write what a field makes of a value for its database, or for Django's serializers."""
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
        raise Unencodable(raw, "its field writes it as no text")
    return {"$field": str.__str__(text)}


def _unreadable(field: Any, error: Exception) -> DecodeError:
    return DecodeError(
        f"The field {field} cannot hold what a message has for it ({type(error).__name__})."
    )


@lru_cache(maxsize=1024)
def _encrypts(kind: type) -> bool:
    return any("encrypt" in item.__name__.lower() for item in kind.__mro__)


def _is_key(field: Any) -> bool:
    return bool(field.primary_key or field.is_relation)


def _target(field: Any) -> Any:
    """Follow a key that is a foreign key to the field that it stands for."""
    while field.is_relation:
        field = field.target_field
    return field


def _reads_by_djangos_code(field: Any) -> bool:
    """Return whether ``to_python`` is Django's own, or the project's word for it was given."""
    return all(
        isinstance(part, tuple(_registered)) or _has_djangos(part, "to_python")
        for part in _parts(field)
    )


def _parts(field: Any) -> list[Any]:
    """List a field and those that it hands values on to: of an array, what its items are."""
    inner = (getattr(field, name, None) for name in ("base_field", "output_field"))
    return [field, *(part for item in inner if hasattr(item, "to_python") for part in _parts(item))]


def _has_djangos(field: Any, method: str) -> bool:
    kind: Any = type(field)
    return method not in vars(field) and _is_djangos(kind, method)


@lru_cache(maxsize=1024)
def _is_djangos(kind: type, method: str) -> bool:
    owner = next(item for item in kind.__mro__ if method in vars(item))
    return owner.__module__.partition(".")[0] == "django"
