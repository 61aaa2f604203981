"""`Call`: a message that waits, as a test sees it, and how calls are written in errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deferred_signals.serialization import Reference

__all__ = ["Call", "shown"]

#: Characters of a value that an error shows.
LONGEST = 200


@dataclass(frozen=True)
class Call:
    """One call that waits: what a worker would be given.

    Attributes:
        id: the message's id.
        receiver: the receiver's name.
        kwargs: the decoded kwargs. Rows that travel by reference are not fetched: such a value is
            equal to an instance with the same key.
        using: alias of the database whose commit was waited for.
        options: what the message is published with: queue, priority, countdown and the like.
        sender: the sender, decoded in the same way.
    """

    id: str
    receiver: str
    kwargs: dict[str, Any]
    using: str
    options: dict[str, Any]
    sender: Any = None

    def __str__(self) -> str:
        return f"{self.receiver}({shown(self.kwargs)})"


def shown(kwargs: dict[str, Any]) -> str:
    """Write kwargs as in a call; long values are cut."""
    return ", ".join(f"{name}={_brief(value)}" for name, value in kwargs.items())


def _brief(value: object) -> str:
    if isinstance(value, Reference):
        return f"<{value.model._meta.label} {value.pk!r}>"
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
