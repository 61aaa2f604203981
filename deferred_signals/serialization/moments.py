"""Dates, times, durations and time zones."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from deferred_signals.serialization.unencodable import Unencodable
from deferred_signals.support.zones import known_zones, zone_of

if TYPE_CHECKING:
    from deferred_signals.serialization.codec import Codec

__all__ = ["install"]

_Moment = TypeVar("_Moment", datetime, time)


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_raw(date, "$date", date.isoformat, date.fromisoformat)
    codec.add_raw(timedelta, "$timedelta", _encode_timedelta, _decode_timedelta)
    codec.add_raw(datetime, "$datetime", _encode_moment, partial(_decode_moment, datetime))
    codec.add_raw(time, "$time", _encode_moment, partial(_decode_moment, time))
    codec.add_encoder(tzinfo, lambda zone, _encoder: {"$zone": _encode_zone(zone)}, subclasses=True)
    codec.add_raw_decoder("$zone", _decode_zone)


def _encode_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _decode_timedelta(parts: list[int]) -> timedelta:
    days, seconds, microseconds = parts
    return timedelta(days, seconds, microseconds)


def _encode_moment(value: datetime | time) -> str | list[Any]:
    """Write ISO's text, beside fold and zone where the text cannot tell these two."""
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
        raise Unencodable(
            zone,
            "a time zone travels by its name, and this one has none",
            remedy="Make it by zoneinfo.ZoneInfo(name).",
        )
    if type(zone) is timezone:
        name = zone.tzname(None)
        offset = zone.utcoffset(None)
        return [_encode_timedelta(offset), None if name == timezone(offset).tzname(None) else name]
    raise Unencodable(
        zone,
        "it is a time zone of a class that a worker cannot make",
        remedy="Use zoneinfo.ZoneInfo or datetime.timezone for it.",
    )


def _decode_zone(form: Any) -> tzinfo | None:
    if form is None:
        return None
    if isinstance(form, str):
        return zone_of(form)
    offset, name = form
    return timezone(timedelta(*offset)) if name is None else timezone(timedelta(*offset), name)
