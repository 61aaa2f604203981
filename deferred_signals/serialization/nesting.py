"""How deep an encoded value may be."""

from __future__ import annotations

from typing import Any

__all__ = ["is_too_deep", "may_be_too_deep"]

#: Dicts and lists that may be inside one another in a form. A limit of our own is needed because the
#: worker's stack may be smaller than the sender's: the worker must be able to decode whatever the
#: sender can encode.
MAX_NESTING = 100

_HOLDERS = frozenset({dict, list})


def is_too_deep(*forms: Any) -> bool:
    """Return whether one of the forms nests dicts and lists deeper than `MAX_NESTING`.

    >>> is_too_deep({"lines": [[1], [2]]}, 7)
    False
    """
    holders = [form for form in forms if type(form) in _HOLDERS]
    for _ in range(MAX_NESTING):
        if not holders:
            return False
        holders = [
            inner
            for item in holders
            for inner in (item.values() if type(item) is dict else item)
            if type(inner) in _HOLDERS
        ]
    return bool(holders)


def may_be_too_deep(text: str) -> bool:
    """Return whether a JSON text has so many brackets that its form could be too deep."""
    return text.count("{") + text.count("[") > MAX_NESTING
