"""`Unencodable`: tells which value cannot travel, and why."""

from __future__ import annotations

__all__ = ["Unencodable", "brief"]

#: Characters of a name from a message that an error shows.
LONGEST_NAME = 60


class Unencodable(Exception):
    """A value cannot travel. The sending side makes a `SerializationError` of it.

    Attributes:
        value: the value.
        reason: what is wrong with it, where more is known than its type.
        path: leads to the value from where encoding began, like ``['items'][3]``.
        remedy: what to do about it, where something fits better than the general advice.
    """

    def __init__(self, value: object, reason: str = "", path: str = "", remedy: str = "") -> None:
        super().__init__(reason)
        self.value = value
        self.reason = reason
        self.path = path
        self.remedy = remedy


def brief(name: object) -> str:
    """Show a name that came with a message: quoted, in ASCII, on one line, and cut.

    >>> brief("shop.Order")
    "'shop.Order'"
    """
    text = name if isinstance(name, str) else f"<{type(name).__name__}>"
    return ascii(text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}...")
