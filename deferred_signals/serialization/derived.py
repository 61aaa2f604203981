"""Types derived from Python's own: their values travel as values of the type they are derived from."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils.datastructures import MultiValueDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder

__all__ = ["install"]


def install(codec: Codec) -> None:
    """Teach a codec this family.

    It must be the last one, since other families have types of their own that are derived from
    Python's.
    """
    codec.add_rule(
        lambda kind: issubclass(kind, MultiValueDict),
        lambda value, encoder: {"$lists": encoder.encode_any(dict(value.lists()))},
    )
    codec.add_decoder("$lists", _decode_lists)
    for kind, plain in _PLAIN.items():
        codec.add_encoder(kind, partial(_encode_derived, plain), subclasses=True)


def _encode_derived(plain: Callable[[Any], Any], value: Any, encoder: Encoder) -> Any:
    return encoder.encode_any(plain(value))


def _decode_lists(lists: Any) -> MultiValueDict[Any, Any]:
    if type(lists) is not dict or not all(type(item) is list for item in lists.values()):
        raise TypeError("a dict of several values a key is written as lists")
    return MultiValueDict(lists)


# Tests that stop the clock replace `datetime` in every module by a type derived from it. So these
# functions get the type to make, which `_PLAIN` binds while this module is imported.


def _plain_date(kind: type[date], value: date) -> date:
    return kind(value.year, value.month, value.day)


def _plain_datetime(kind: type[datetime], value: datetime) -> datetime:
    day = (value.year, value.month, value.day)
    return kind(*day, *_parts_of_time(value), fold=value.fold)


def _plain_time(kind: type[time], value: time) -> time:
    return kind(*_parts_of_time(value), fold=value.fold)


def _parts_of_time(value: datetime | time) -> tuple[Any, ...]:
    return value.hour, value.minute, value.second, value.microsecond, value.tzinfo


def _plain_timedelta(kind: type[timedelta], value: timedelta) -> timedelta:
    return kind(value.days, value.seconds, value.microseconds)


#: Makes the plain value of a derived one. Methods of the derived type are avoided where Python
#: allows that. The order counts: a datetime is a date as well.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: lambda value: bytes(memoryview(value)),
    bytearray: bytes,
    memoryview: bytes,
    dict: dict,
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    datetime: partial(_plain_datetime, datetime),
    date: partial(_plain_date, date),
    time: partial(_plain_time, time),
    timedelta: partial(_plain_timedelta, timedelta),
    Decimal: lambda value: Decimal(Decimal.__str__(value)),
    UUID: lambda value: UUID(int=value.int),
}
