"""Keep values of fields to be compared later: what happens to an instance does not alter them.

A kept value is an immutable value of a built-in type, or a pair of a kind and what is kept:
``("json", text)`` for values that can change in place, ``("value", value)`` for values that the
field has already converted. `UNKNOWN` is kept for all others. Pairs are tuples, so that a row that
is pickled with them can be read where this library is not installed.

Fields run their own code when they convert a value, and that code may fail in any way. The value is
then unknown, as the user's save must not fail.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.files import File
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import DateTimeField, FileField
from django.db.models.fields.files import FieldFile
from django.utils.timezone import get_default_timezone, is_naive, make_aware

from deferred_signals.support.unknown import UNKNOWN
from deferred_signals.support.zones import known_zones

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NOTHING", "as_told", "compared", "is_same", "kept"]

#: None as a compared value: the fields of a new row were None before.
NOTHING = ("value", None)

#: How deeply nested a JSON value may be that a receiver is told. A payload may be deeper, and a level
#: of a dict may take three levels of a payload.
_MAX_DEPTH = 90
_LEVELS_OF_DICT = 3


def _date(kind: Callable[..., Any], value: Any) -> Any:
    return kind(value.year, value.month, value.day)


def _datetime(kind: Callable[..., Any], value: Any) -> Any:
    clock = value.hour, value.minute, value.second, value.microsecond
    return kind(value.year, value.month, value.day, *clock, value.tzinfo, fold=value.fold)


def _time(kind: Callable[..., Any], value: Any) -> Any:
    clock = value.hour, value.minute, value.second, value.microsecond
    return kind(*clock, value.tzinfo, fold=value.fold)


#: Types whose values are kept as they are, and how a value of a derived type becomes one of them.
#: The type is an argument, as tests that stop the clock replace names in modules.
_PLAIN: dict[type, Callable[[Any, Any], Any]] = {
    type(None): lambda _kind, value: value,
    bool: lambda _kind, value: value,
    int: lambda kind, value: kind.__index__(value),
    float: lambda kind, value: kind.__float__(value),
    str: lambda kind, value: kind.__str__(value),
    bytes: lambda kind, value: kind(memoryview(value)),
    Decimal: lambda kind, value: kind(value),
    UUID: lambda kind, value: kind(int=value.int),
    date: _date,
    datetime: _datetime,
    time: _time,
    timedelta: lambda kind, value: kind(value.days, value.seconds, value.microseconds),
}


def kept(field: Any, value: Any) -> Any:
    """Return what is kept of a field's value, which is as an instance holds it."""
    if type(value) in _PLAIN:
        return value  # converted when it is compared, and most values never are
    try:
        if value is UNKNOWN or hasattr(value, "resolve_expression"):
            return UNKNOWN  # the database computes it: F(), or a default of the database's
        plain = _plain(value)
        if type(plain) in _PLAIN and not _is_pure_member(value):
            return plain
        return _converted(field, value)
    except Exception:  # noqa: BLE001 - the field's own code, and the value's, may raise anything
        return UNKNOWN


def compared(field: Any, value: Any) -> Any:
    """Return a kept value as the field converts it: always a pair, or `UNKNOWN`."""
    if value is UNKNOWN or type(value) is tuple:
        return value
    if value is None:
        return _as_none(field)
    try:
        return _converted(field, value)
    except Exception:  # noqa: BLE001 - the field's own code may raise anything
        return UNKNOWN


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two compared values are known, and equal."""
    if one is UNKNOWN or other is UNKNOWN or one[0] != other[0]:
        return False
    first, second = one[1], other[1]
    if (type(first) is bool) != (type(second) is bool):
        return False  # JSON tells True from 1
    try:
        return bool(first == second or (first != first and second != second))  # noqa: PLR0124 - nan
    except ArithmeticError:  # a signaling NaN
        return False


def as_told(value: Any) -> Any:
    """Return a compared value as a receiver gets it: of a type that can be encoded."""
    if value is UNKNOWN:
        return UNKNOWN
    kind, held = value
    if kind != "json":
        return _with_known_zone(held)
    try:
        loaded = json.loads(held)
    except (RecursionError, ValueError):
        return UNKNOWN
    return UNKNOWN if _is_deep(loaded) else loaded


def _plain(value: Any) -> Any:
    """Return a value as one of the built-in type that its type is derived from, if there is one."""
    while isinstance(value, Enum):
        value = value.value
    if isinstance(value, FieldFile):
        return value.name or ""
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    for kind in type(value).__mro__:
        if kind in _PLAIN:
            return value if type(value) is kind else _PLAIN[kind](kind, value)
    return value


def _is_pure_member(value: Any) -> bool:
    """Tell whether a value is a member of an enum whose members are no texts or numbers.

    The field decides what is stored of such a member: its value, its name, or its ``str()``.
    """
    return isinstance(value, Enum) and not isinstance(value, tuple(_PLAIN))


def _converted(field: Any, value: Any) -> Any:
    """Return the pair for a value, after the field's own conversion."""
    value = _plain(_as_python(field, value))
    if value is None:
        return _as_none(field)
    if type(value) in _PLAIN:
        return "value", _as_stored(field, value)
    if isinstance(value, File):
        return UNKNOWN  # an upload, which the storage has not named yet
    value = _plain(field.get_prep_value(value))
    if type(value) in _PLAIN:
        return "value", value
    if not isinstance(value, (dict, list, tuple)):
        return UNKNOWN
    text = json.dumps(value, cls=getattr(field, "encoder", None) or DjangoJSONEncoder)
    # Twice, as only the keys that JSON has made can be sorted for sure.
    return "json", json.dumps(json.loads(text), sort_keys=True)


def _as_python(field: Any, value: Any) -> Any:
    """Return what a field makes of a value; of an array, what its base field makes of each item."""
    value = field.to_python(value)
    items = getattr(field, "base_field", None)
    if items is None or not isinstance(value, (list, tuple)):
        return value
    return [None if item is None else _as_python(items, item) for item in value]


def _as_none(field: Any) -> tuple[str, Any]:
    """Return the pair for None; fields need not be able to convert None."""
    return ("value", "") if isinstance(field, FileField) else NOTHING


def _as_stored(field: Any, value: Any) -> Any:
    """Return a converted value as the field stores it; Django makes naive datetimes aware."""
    if isinstance(field, DateTimeField) and type(value) in _MOMENTS and settings.USE_TZ:
        return make_aware(value, get_default_timezone()) if is_naive(value) else value
    return value


#: In containers, as tests that stop the clock replace names in modules.
_MOMENTS = frozenset({datetime})
_TIMES = frozenset({datetime, time})


def _with_known_zone(value: Any) -> Any:
    """Return a date or time whose zone can be encoded: other libraries' zones become UTC."""
    zone = value.tzinfo if type(value) in _TIMES else None
    if zone is None or type(zone) is timezone:
        return value
    if isinstance(zone, ZoneInfo) and zone.key in known_zones():
        return value
    return value.astimezone(UTC) if type(value) in _MOMENTS else UNKNOWN


def _is_deep(value: Any) -> bool:
    """Tell whether a JSON value may be nested too deeply for a payload."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        depth += _LEVELS_OF_DICT if any(isinstance(item, dict) for item in level) else 1
        if depth > _MAX_DEPTH:
            return True
        level = [
            inner for item in level for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return False
