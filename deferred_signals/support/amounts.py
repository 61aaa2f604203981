"""Tell numbers and durations, as options and settings give them, from what only looks like them."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeGuard

__all__ = ["as_seconds", "is_number"]


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is an int or a float; True and False are neither here."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def as_seconds(value: object) -> float | None:
    """Return the seconds of a number or a ``timedelta``; None where a value is neither."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if is_number(value) else None
