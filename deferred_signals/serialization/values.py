"""Values of Python's own: numbers, texts, dates, identifiers."""

from __future__ import annotations

import base64
import ipaddress
import math
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.utils.datastructures import MultiValueDict

from deferred_signals.serialization.refusals import Unencodable
from deferred_signals.support.zones import known_zones, zone_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from deferred_signals.serialization.codec import Codec

__all__ = ["decode_decimal", "decode_int", "install", "install_derived"]

#: Larger ints are written in hexadecimal: other JSON readers keep 64 bits only, and Python itself
#: refuses decimal texts of more than 4,300 digits.
_PLAIN_INT = 2**63

_Moment = TypeVar("_Moment", datetime, time)


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    for kind in (type(None), bool):
        codec.add_encoder(kind, _as_is)
    codec.add_encoder(str, _encode_text)
    codec.add_plain_decoder("$text", _decode_text)
    codec.add_encoder(int, _encode_int)
    codec.add_plain_decoder("$int", decode_int)
    codec.add_encoder(float, _encode_float)
    codec.add_plain_decoder("$float", _ODD_FLOATS.__getitem__)
    codec.add_plain(bytes, "$bytes", _encode_bytes, _decode_bytes)
    codec.add_plain(Decimal, "$decimal", str, decode_decimal)
    codec.add_plain(UUID, "$uuid", attrgetter("hex"), _decode_uuid)
    codec.add_plain(date, "$date", date.isoformat, date.fromisoformat)
    codec.add_plain(timedelta, "$timedelta", _encode_timedelta, _decode_timedelta)
    codec.add_plain(datetime, "$datetime", _encode_moment, partial(_decode_moment, datetime))
    codec.add_plain(time, "$time", _encode_moment, partial(_decode_moment, time))
    for kind in _ADDRESSES.values():
        codec.add_plain(kind, "$ip", _encode_address, _decode_address)
    codec.add_encoder(tzinfo, lambda zone, _codec: {"$zone": _encode_zone(zone)}, subclasses=True)
    codec.add_plain_decoder("$zone", _decode_zone)


def install_derived(codec: Codec) -> None:
    """Teach a codec types that are derived from Python's own: their values travel as what they are a kind of.

    It comes last, since other families have derived types that are more than that.
    """
    codec.add_rule(
        lambda kind: issubclass(kind, MultiValueDict),
        lambda value, codec: {"$lists": codec.encode_any(dict(value.lists()))},
    )
    codec.add_decoder("$lists", _decode_lists)
    for kind, plain in _DERIVED.items():
        codec.add_encoder(kind, partial(_encode_derived, plain), subclasses=True)


def _encode_derived(plain: Callable[[Any], Any], value: Any, codec: Codec) -> Any:
    return codec.encode_any(plain(value))


# The types are bound when this is imported: a test may stop the clock by putting types of its own,
# which are derived from these, in their places in every module.


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


#: How a value of a derived type becomes one of the type that it is derived from, without asking
#: methods of its own where Python lets one do so. In this order: a datetime is a date as well.
_DERIVED: dict[type, Callable[[Any], Any]] = {
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


def _decode_lists(lists: Any) -> MultiValueDict[Any, Any]:
    if type(lists) is not dict or not all(type(item) is list for item in lists.values()):
        raise TypeError("a dict of several values a key is written as lists")
    return MultiValueDict(lists)


def _as_is(value: Any, _codec: Codec) -> Any:
    return value


def _encode_text(value: str, _codec: Codec) -> Any:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # surrogates, of which JSON makes one character of two
            return {"$text": _encode_bytes(value.encode("utf-8", "surrogatepass"))}
    return value


def _encode_int(value: int, _codec: Codec) -> Any:
    return value if -_PLAIN_INT <= value < _PLAIN_INT else {"$int": hex(value)}


_ODD_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _encode_float(value: float, _codec: Codec) -> Any:
    return value if math.isfinite(value) else {"$float": repr(value)}


def _encode_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _decode_text(text: str) -> str:
    return base64.b64decode(text, validate=True).decode("utf-8", "surrogatepass")


def decode_int(text: str) -> int:
    """Read an int that JSON has no room for."""
    return int(text, 16)  # with a base that is a power of 2 it takes time as the text is long


def _decode_bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _decode_uuid(text: str) -> UUID:
    return UUID(int=int(text, 16))  # faster than hex=, which looks for braces and dashes first


def decode_decimal(text: object) -> Decimal:
    """Read a decimal."""
    # Decimal() takes floats and tuples as well, which no encoder here writes.
    if not isinstance(text, str):
        raise TypeError(f"a decimal is written as a text, not as {type(text).__name__}")
    return Decimal(text)


def _encode_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _decode_timedelta(parts: list[int]) -> timedelta:
    days, seconds, microseconds = parts
    return timedelta(days, seconds, microseconds)


#: IP addresses, networks and interfaces, by the names that messages have for them.
_ADDRESSES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        ipaddress.IPv4Address,
        ipaddress.IPv6Address,
        ipaddress.IPv4Network,
        ipaddress.IPv6Network,
        ipaddress.IPv4Interface,
        ipaddress.IPv6Interface,
    )
}


def _encode_address(value: Any) -> list[str]:
    return [type(value).__name__, str(value)]


def _decode_address(parts: list[str]) -> Any:
    kind, text = parts
    if type(text) is not str:
        raise TypeError("an IP address is written as a text")
    return _ADDRESSES[kind](text)


def _encode_moment(value: datetime | time) -> str | list[Any]:
    """ISO's text where it says all, as it does without a zone's name and without a fold."""
    zone = value.tzinfo
    if not value.fold and (zone is None or zone is UTC):
        return value.isoformat()
    return [value.replace(tzinfo=None).isoformat(), value.fold, _encode_zone(zone)]


def _decode_moment(kind: type[_Moment], form: str | list[Any]) -> _Moment:
    if isinstance(form, str):
        return kind.fromisoformat(form)
    text, fold, zone = form
    return kind.fromisoformat(text).replace(fold=fold, tzinfo=_decode_zone(zone))


def _encode_zone(zone: tzinfo | None) -> Any:
    if zone is None:
        return None
    if isinstance(zone, zoneinfo.ZoneInfo):
        if zone.key in known_zones():
            return zone.key
        raise Unencodable(zone, "a time zone travels by its name, and this one has none")
    if type(zone) is timezone:
        name = zone.tzname(None)
        offset = zone.utcoffset(None)
        return [_encode_timedelta(offset), None if name == timezone(offset).tzname(None) else name]
    raise Unencodable(zone, "use zoneinfo.ZoneInfo or datetime.timezone for it")


def _decode_zone(form: Any) -> tzinfo | None:
    if form is None:
        return None
    if isinstance(form, str):
        return zone_of(form)
    offset, name = form
    return timezone(timedelta(*offset)) if name is None else timezone(timedelta(*offset), name)
