"""Values of Python's own: numbers, texts, dates, identifiers."""

from __future__ import annotations

import base64
import math
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from deferred_signals.serialization.codec import Unencodable
from deferred_signals.zones import known_zones, zone_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from deferred_signals.serialization.codec import Codec

__all__ = ["install"]

#: Larger ints are written in hexadecimal: other JSON readers keep 64 bits only, and Python itself
#: refuses decimal texts of more than 4,300 digits.
_PLAIN_INT = 2**63

_Moment = TypeVar("_Moment", datetime, time)


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    for kind in (type(None), bool):
        codec.add_encoder(kind, _as_is)
    codec.add_encoder(str, _encode_text)
    codec.add_decoder("$text", lambda form: base64.b64decode(form).decode("utf-8", "surrogatepass"))
    codec.add_encoder(int, _encode_int)
    codec.add_decoder("$int", lambda text: int(text, 16))
    codec.add_encoder(float, _encode_float)
    codec.add_decoder("$float", _ODD_FLOATS.__getitem__)
    codec.add_plain(bytes, "$bytes", _encode_bytes, _decode_bytes)
    codec.add_plain(Decimal, "$decimal", str, _decode_decimal)
    codec.add_plain(UUID, "$uuid", attrgetter("hex"), _decode_uuid)
    codec.add_plain(date, "$date", date.isoformat, date.fromisoformat)
    codec.add_plain(timedelta, "$timedelta", _encode_timedelta, lambda parts: timedelta(*parts))
    codec.add_plain(datetime, "$datetime", _encode_moment, partial(_decode_moment, datetime))
    codec.add_plain(time, "$time", _encode_moment, partial(_decode_moment, time))


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


def _decode_bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _decode_uuid(text: str) -> UUID:
    return UUID(int=int(text, 16))  # faster than hex=, which looks for braces and dashes first


def _decode_decimal(text: object) -> Decimal:
    # Decimal() takes floats and tuples as well, which no encoder here writes.
    if not isinstance(text, str):
        raise TypeError(f"a decimal is written as a text, not as {type(text).__name__}")
    return Decimal(text)


def _encode_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


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
