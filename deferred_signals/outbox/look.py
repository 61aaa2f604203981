"""What a relay's look came to."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Look"]


class Look(NamedTuple):
    """What one look, or several, came to.

    Attributes:
        due: how many rows were due, or had lost their wake-ups.
        woken: for how many of them wake-ups were published.
        failure: why others could not be published, of the first of them.
    """

    due: int = 0
    woken: int = 0
    failure: BaseException | None = None

    def and_(self, other: Look) -> Look:
        """Add another look to this one."""
        failure = self.failure or other.failure
        return Look(self.due + other.due, self.woken + other.woken, failure)
