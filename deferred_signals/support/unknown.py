"""`UNKNOWN`: stands for a field's value that could not be known, or must not be told."""

from __future__ import annotations

from typing import Final

__all__ = ["UNKNOWN", "Unknown"]


class Unknown:
    """The type of `UNKNOWN`, its only instance. Copying and unpickling give the same instance."""

    __slots__ = ()

    def __new__(cls) -> Unknown:  # noqa: PYI034 - there is one, whoever asks
        """Return the only instance."""
        return UNKNOWN

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __reduce__(self) -> str:
        return "UNKNOWN"  # a name of this module: `copy` and `pickle` give the object under it


#: Stands in ``changes`` for an old or a new value that is not known.
UNKNOWN: Final[Unknown] = object.__new__(Unknown)
