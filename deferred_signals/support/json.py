"""Writing JSON texts fast.

`json.JSONEncoder` makes a new C encoder at each call, which takes longer than writing most messages.
This module keeps one. For that it uses three functions of `json.encoder` that the standard library
itself calls and does not document: ``c_make_encoder``, ``encode_basestring`` and
``encode_basestring_ascii``. If one of them is missing, or takes other arguments, the documented way is
used.
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

#: Writes a text as JSON, in ASCII.
quote: Callable[[str], str] = getattr(json.encoder, "encode_basestring_ascii", _ASCII.encode)

#: Writes a text as JSON, with all characters as they are.
_quote: Callable[[str], str] = getattr(json.encoder, "encode_basestring", _ENCODER.encode)


def _kept() -> Callable[[Any, int], tuple[str, ...]] | None:
    """Make the C encoder with the arguments that `json.JSONEncoder` gives it; None if it does not work so."""
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
    """Write a form as JSON: without spaces, and with characters as they are.

    Raises:
        TypeError, ValueError, RecursionError: no encoder gives such a form.

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
        UnicodeEncodeError: the text has a lone surrogate, which UTF-8 cannot express.
    """
    return len(text) if text.isascii() else len(text.encode())


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON writes as an escape
        return False
    return True
