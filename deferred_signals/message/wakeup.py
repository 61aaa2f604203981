"""A wake-up: what the broker has of a durable message. It names a row, and carries no values."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import NamedTuple

from deferred_signals.errors import DecodeError
from deferred_signals.message.message import LATEST, MOST, is_name
from deferred_signals.support.json import quote

__all__ = ["WakeUp", "is_wake_up"]

_BEGINNING = '{"wake":1,'

#: Characters that a wake-up has at most: a longer text is not even read.
LONGEST = 8192

#: A row's id, as it is written by those who send.
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class WakeUp(NamedTuple):
    """The news for a worker that a row may be claimed.

    Arguments:
        using: alias of the row's database.
        id: the row's, which is the message's.
        attempt: the runs that were begun before: a row that has begun another one since is not this
            wake-up's any more.
        at: when the wake-up was made, by the database's clock, in seconds since the epoch.

    >>> wake_up = WakeUp("default", "019b5f1c-0000-7000-8000-000000000000", 0, 1_767_225_600.25)
    >>> wake_up.to_wire()[:43]
    '{"wake":1,"using":"default","id":"019b5f1c-'
    >>> WakeUp.from_wire(wake_up.to_wire()) == wake_up
    True
    """

    using: str
    id: str
    attempt: int
    at: float

    def to_wire(self) -> str:
        """Write the wake-up as one JSON text."""
        return (
            f'{_BEGINNING}"using":{quote(self.using)},"id":{quote(self.id)},'
            f'"attempt":{self.attempt},"at":{self.at:.6f}}}'
        )

    @classmethod
    def from_wire(cls, text: str) -> WakeUp:
        """Read a wake-up from its JSON text, which is data from outside.

        Raises:
            DecodeError: the text is no wake-up.
        """
        try:
            raw = json.loads(text) if len(text) <= LONGEST else None
        except (ValueError, RecursionError):
            raw = None
        match raw:
            case {
                "using": str(using),
                "id": str(id_),
                "attempt": int(attempt),
                "at": float(at),
            } if (
                is_name(using)
                and _ID.fullmatch(id_)
                and type(attempt) is int
                and 0 <= attempt < MOST
                and isfinite(at)
                and 0 <= at < LATEST
            ):
                return cls(using, id_, attempt, at)
        raise DecodeError("A text that begins like a wake-up is none.", text)


def is_wake_up(payload: object) -> bool:
    """Return whether a task's argument is a wake-up, and no message."""
    return isinstance(payload, str) and payload.startswith(_BEGINNING)
