"""JSON texts, written fast: what a message is on its way.

`json.JSONEncoder` builds a new encoder of C's at each call, which takes longer than to write most
messages. This one place keeps an encoder: `json.encoder.c_make_encoder`, `encode_basestring` and
`encode_basestring_ascii` of the same module are what the standard library itself calls, and are not
documented. Where one is not there, or takes other arguments, the documented way serves.
"""

from __future__ import annotations

import json
import json.encoder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["quote", "size_of", "to_json"]

_ASCII = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False)
_ENCODER = json.JSONEncoder(
    separators=(",", ":"), check_circular=False, allow_nan=False, ensure_ascii=False
)

#: The JSON text of a text, in ASCII.
quote: Callable[[str], str] = getattr(json.encoder, "encode_basestring_ascii", _ASCII.encode)

#: The same with all characters as they are.
_quote: Callable[[str], str] = getattr(json.encoder, "encode_basestring", _ENCODER.encode)


def _kept() -> Callable[[Any, int], tuple[str, ...]] | None:
    """The encoder of C's, with the arguments that `json.JSONEncoder` gives it."""
    make = getattr(json.encoder, "c_make_encoder", None)
    arguments = (None, _ENCODER.default, _quote, None, ":", ",", False, False, False)
    example = {"a": [1, None, "ä"]}
    try:
        found: Callable[[Any, int], tuple[str, ...]] = make(*arguments)  # type: ignore[misc]  # or None
        return found if "".join(found(example, 0)) == _ENCODER.encode(example) else None
    except TypeError:
        return None


_write = _kept()


def to_json(form: Any) -> str:
    """Write an encoded value as JSON: short, with characters as they are.

    Raises:
        TypeError, ValueError, RecursionError: it is none that an encoder gives.

    >>> to_json({"order_id": 7, "tags": ["new", None], "city": "Zürich"})
    '{"order_id":7,"tags":["new",null],"city":"Zürich"}'
    """
    if type(form) is str and form.isascii():
        return quote(form)
    text = _ENCODER.encode(form) if _write is None else "".join(_write(form, 0))
    return text if text.isascii() or _is_utf8(text) else _ASCII.encode(form)


def size_of(text: str) -> int:
    """Count the bytes of a text in UTF-8.

    Raises:
        UnicodeEncodeError: a half of a surrogate pair is in it, which UTF-8 has not.
    """
    return len(text) if text.isascii() else len(text.encode())


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
        return False
    return True
