"""JSON texts, written fast: what a message is on its way.

`json.JSONEncoder` builds a new encoder of C's at each call, which takes longer than to write most
messages. This one place keeps an encoder: `json.encoder.c_make_encoder`, and
`json.encoder.encode_basestring_ascii` for a text alone, are what the standard library itself calls,
and are not documented. Where one is not there, or takes other arguments, the documented way serves.
"""

from __future__ import annotations

import json
import json.encoder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["quote", "to_json"]

_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False)

#: The JSON text of a text.
quote: Callable[[str], str] = getattr(
    json.encoder, "encode_basestring_ascii", json.JSONEncoder().encode
)


def _kept() -> Callable[[Any, int], tuple[str, ...]] | None:
    """The encoder of C's, with the arguments that `json.JSONEncoder` gives it."""
    make = getattr(json.encoder, "c_make_encoder", None)
    arguments = (None, _ENCODER.default, quote, None, ":", ",", False, False, False)
    example = {"a": [1, None, "ä"]}
    try:
        found: Callable[[Any, int], tuple[str, ...]] = make(*arguments)  # type: ignore[misc]  # or None
        return found if "".join(found(example, 0)) == _ENCODER.encode(example) else None
    except TypeError:
        return None


_write = _kept()


def to_json(form: Any) -> str:
    """The JSON text of an encoded value: short, and in ASCII.

    Raises:
        TypeError, ValueError, RecursionError: it is none that an encoder gives.

    >>> to_json({"order_id": 7, "tags": ["new", None]})
    '{"order_id":7,"tags":["new",null]}'
    """
    if type(form) is str:
        return quote(form)
    return _ENCODER.encode(form) if _write is None else "".join(_write(form, 0))
