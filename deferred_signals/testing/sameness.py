"""Compares values of a field as a database does: at its precision, in its form."""

from __future__ import annotations

import copy
import json
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import DecimalField, FileField
from django.db.models.fields.files import FieldFile
from django.utils import timezone

if TYPE_CHECKING:
    from django.db.models import Field, Model

__all__ = ["differs", "values_of"]


def values_of(row: Model) -> dict[str, Any]:
    """Return the loaded values of a row's fields, by the name of the attribute; fetch nothing.

    The primary key, fields that the database computes, and values that cannot be copied are left
    out.
    """
    found = {}
    for field in row._meta.concrete_fields:
        if field.primary_key or getattr(field, "generated", False):
            continue
        value = row.__dict__.get(field.attname, _MISSING)
        if value is _MISSING or hasattr(value, "resolve_expression"):
            continue
        try:
            found[field.attname] = _copied(value)
        except Exception:  # noqa: BLE001, S112 - a project's own type, which is not compared
            continue
    return found


_MISSING: Any = object()


def _copied(value: Any) -> Any:
    if isinstance(value, FieldFile):
        return value.name
    return copy.deepcopy(value) if isinstance(value, (bytearray, dict, list, set)) else value


def differs(field: Field[Any, Any], sent: Any, found: Any) -> bool:
    """Return whether a value certainly differs from the one in the database.

    Arguments:
        field: the model's field.
        sent: the value as code has set it.
        found: the value as the database returned it.
    """
    try:
        return not (sent == found or _is_same(field, sent, found))
    except Exception:  # noqa: BLE001 - a project's own type or field: no warning
        return False


def _is_same(field: Field[Any, Any], sent: Any, found: Any) -> bool:
    if isinstance(sent, (dict, list, tuple)):
        return bool(_as_json(field, sent) == _as_json(field, found))
    if isinstance(field, FileField):
        return str(sent) == str(found)
    if isinstance(found, datetime) and isinstance(sent, date) and not isinstance(sent, datetime):
        return True  # Django itself warns of a date in a field of points in time
    read: Any = field.to_python
    left, right = read(sent), read(found)
    return bool(left == right or _is_as_near(field, left, right))


def _is_as_near(field: Field[Any, Any], left: Any, right: Any) -> bool:
    """Compare at the precision that a column may have."""
    match left, right:
        case datetime(), datetime():
            return _is_same_time(left, right)
        case Decimal(), Decimal() if isinstance(field, DecimalField):
            return round(left, field.decimal_places) == round(right, field.decimal_places)
        case float(), float():
            return math.isclose(left, right, rel_tol=1e-6)
        case timedelta(), timedelta():
            return not right.microseconds and abs(left - right) < timedelta(seconds=1)
        case str(), str():
            is_cut = len(right) == field.max_length and left.startswith(right)
            return is_cut or left.rstrip() == right.rstrip()
        case _:
            nothing = left in _NOTHING and right in _NOTHING
            return nothing or bool(field.get_prep_value(left) == field.get_prep_value(right))


#: Oracle stores both as NULL.
_NOTHING = (None, "")


def _is_same_time(left: datetime, right: datetime) -> bool:
    """Compare points in time; the column may not store fractions of a second."""
    if settings.USE_TZ:
        left, right = (
            timezone.make_aware(item) if timezone.is_naive(item) else item for item in (left, right)
        )
    return left == right or (not right.microsecond and abs(left - right) < timedelta(seconds=1))


def _as_json(field: Any, value: Any) -> Any:
    """Return a value as it comes back from JSON: keys are strings, tuples are lists."""
    text = json.dumps(value, cls=getattr(field, "encoder", None))
    return json.loads(text, cls=getattr(field, "decoder", None))
