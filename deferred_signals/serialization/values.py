"""Python's plain values: numbers, texts, bytes, UUIDs and IP addresses."""

from __future__ import annotations

import base64
import ipaddress
import math
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder

__all__ = ["decode_decimal", "decode_int", "install"]

#: Larger ints are written in hexadecimal: other JSON readers keep 64 bits only, and Python itself
#: refuses decimal texts of more than 4,300 digits.
_PLAIN_INT = 2**63


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    for kind in (type(None), bool):
        codec.add_encoder(kind, _as_is)
    codec.add_encoder(str, _encode_text)
    codec.add_raw_decoder("$text", _decode_text)
    codec.add_encoder(int, _encode_int)
    codec.add_raw_decoder("$int", decode_int)
    codec.add_encoder(float, _encode_float)
    codec.add_raw_decoder("$float", _ODD_FLOATS.__getitem__)
    codec.add_raw(bytes, "$bytes", _encode_bytes, _decode_bytes)
    codec.add_raw(Decimal, "$decimal", str, decode_decimal)
    codec.add_raw(UUID, "$uuid", attrgetter("hex"), _decode_uuid)
    for kind in _ADDRESSES.values():
        codec.add_raw(kind, "$ip", _encode_address, _decode_address)


def _as_is(value: Any, _encoder: Encoder) -> Any:
    return value


def _encode_text(value: str, _encoder: Encoder) -> Any:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # lone surrogates: JSON would join two of them to one character
            return {"$text": _encode_bytes(value.encode("utf-8", "surrogatepass"))}
    return value


def _decode_text(text: str) -> str:
    return base64.b64decode(text, validate=True).decode("utf-8", "surrogatepass")


def _encode_int(value: int, _encoder: Encoder) -> Any:
    return value if -_PLAIN_INT <= value < _PLAIN_INT else {"$int": hex(value)}


def decode_int(text: str) -> int:
    """Read an int of more than 64 bits."""
    return int(text, 16)  # with a base that is a power of 2, the time grows as the text does


_ODD_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _encode_float(value: float, _encoder: Encoder) -> Any:
    return value if math.isfinite(value) else {"$float": repr(value)}


def _encode_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _decode_bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _decode_uuid(text: str) -> UUID:
    return UUID(int=int(text, 16))  # faster than hex=, which looks for braces and dashes first


def decode_decimal(text: object) -> Decimal:
    """Read a decimal.

    Raises:
        TypeError, ArithmeticError: it is none.
    """
    # Decimal() takes floats and tuples as well, which no encoder writes.
    if not isinstance(text, str):
        raise TypeError(f"a decimal is written as a text, not as {type(text).__name__}")
    return Decimal(text)


#: IP addresses, networks and interfaces, by their names in messages.
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
