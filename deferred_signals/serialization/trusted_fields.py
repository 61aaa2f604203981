"""Which fields' own code may read values from a message.

A message is data from outside, and some fields run what they are given: a pickling field does. So a
field's ``to_python`` is called where it is Django's own. Of other classes it is called only if the
project names the class with `register_type`, or if messages are signed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deferred_signals import conf

if TYPE_CHECKING:
    from django.db.models import Field

__all__ = ["has_djangos", "is_key", "is_trusted", "register_field", "stays_behind"]

#: Classes of fields that the project named.
_registered: set[type] = set()


def register_field(kind: type[Field[Any, Any]]) -> None:
    """Let a class of fields read values from messages by its own ``to_python``."""
    _registered.add(kind)


def stays_behind(field: Any) -> str | None:
    """Tell why the values of a field do not travel in snapshots; None where they do.

    Arguments:
        field: a concrete field of a model.
    """
    kind: Any = type(field)
    if _encrypts(kind):
        return "the field encrypts what it stores, and a message would hold it in clear"
    if is_key(field) or is_trusted(field) or conf.current().SIGNING:
        return None
    return (
        f"{type(field).__name__} reads values by code of its own, which data from outside must not "
        f"reach: call register_type({type(field).__name__}) if it may, or turn SIGNING on"
    )


def is_trusted(field: Any) -> bool:
    """Return whether ``to_python`` of a field is Django's own, or that of a registered class."""
    return all(
        isinstance(part, tuple(_registered)) or has_djangos(part, "to_python")
        for part in _parts(field)
    )


def is_key(field: Any) -> bool:
    """Return whether a field holds a primary key, its own row's or another's.

    A key is not read by ``to_python``: see `deferred_signals.serialization.keys`.
    """
    return bool(field.primary_key or field.is_relation)


def has_djangos(field: Any, method: str) -> bool:
    """Return whether a method of a field is Django's own."""
    kind: Any = type(field)
    return method not in vars(field) and _is_djangos(kind, method)


def _parts(field: Any) -> list[Any]:
    """List a field and the fields that it hands values to: the field of an array's items."""
    inner = (getattr(field, name, None) for name in ("base_field", "output_field"))
    return [field, *(part for item in inner if hasattr(item, "to_python") for part in _parts(item))]


@lru_cache(maxsize=1024)
def _encrypts(kind: type) -> bool:
    return any("encrypt" in item.__name__.lower() for item in kind.__mro__)


@lru_cache(maxsize=1024)
def _is_djangos(kind: type, method: str) -> bool:
    owner = next(item for item in kind.__mro__ if method in vars(item))
    return owner.__module__.partition(".")[0] == "django"
