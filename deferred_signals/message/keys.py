"""Show primary keys of messages, which are data from outside."""

from __future__ import annotations

from contextlib import suppress
from types import NoneType
from typing import Any
from uuid import UUID

from deferred_signals.support.escaping import quoted, shown

__all__ = ["shown_key"]

#: Characters of a key that are shown.
MOST = 40

#: Of a composite key: how many parts are shown, and how deep parts are inside one another.
#: Of a number: how many bits it may have.
MOST_PARTS = 5
MOST_NESTED = 3
MOST_BITS = 128


def shown_key(form: Any, depth: int = 0) -> str:
    """Show the form of a key: a number or a UUID as it is, a text between quotes.

    Arguments:
        form: the form, which may be anything.
        depth: how many composite keys this one is inside of.

    >>> shown_key({"$tuple": ["A", 3]})
    "('A', 3)"
    """
    kind = type(form)
    if kind is str:
        return quoted(form, MOST)
    if kind in _PLAIN and (kind is not int or form.bit_length() <= MOST_BITS):
        return repr(form)
    if depth < MOST_NESTED:
        if kind is list:
            parts = ", ".join(shown_key(part, depth + 1) for part in form[:MOST_PARTS])
            return shown(f"({parts})", MOST)
        if kind is dict and len(form) == 1:
            ((tag, value),) = form.items()
            return _shown_tagged(tag, value, depth)
    return "?"


def _shown_tagged(tag: object, value: Any, depth: int) -> str:
    """Show a key that JSON has no type for: a UUID, a date, the parts of a composite key."""
    with suppress(ValueError):
        if tag == "$uuid" and type(value) is str:
            return str(UUID(value[:MOST]))
        if tag == "$int" and type(value) is str:
            return shown_key(int(value[:MOST], 16))
    if tag in _READABLE:
        text = value[0] if type(value) is list and value else value
        if type(text) is str:
            return shown(text, MOST)
    return shown_key(value, depth + 1)


_PLAIN = {NoneType, bool, float, int}

#: Tags of values that are shown as their text, without quotes.
_READABLE = {"$date", "$datetime", "$decimal", "$time"}
