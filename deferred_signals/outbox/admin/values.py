"""The values of a message, for people who may see them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from reprlib import Repr
from typing import TYPE_CHECKING, Any

from django.db.models import Model

from deferred_signals.errors import DecodeError
from deferred_signals.handlers import decoded
from deferred_signals.message import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Shown", "Values", "values_of"]

#: Characters of a stored message that are shown.
MOST = 200_000


class Shown(Repr):
    """Write values as Python does, but long ones cut, and a row by its label and key.

    So no code of a model writes it, which may ask the database for more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 8
        self.maxstring = self.maxlong = self.maxother = 2000
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 200

    def repr1(self, x: Any, level: int) -> str:
        """Write a value that may stand within others."""
        if isinstance(x, Model):
            return f"<{x._meta.label} {self.repr1(x.pk, level - 1)}>"
        return super().repr1(x, level)


@dataclass(frozen=True)
class Values:
    """The values of a message.

    Attributes:
        kwargs: the names and values of what its receiver would get now.
        problem: why there are none.
        stored: the message as it is stored.
    """

    kwargs: Sequence[tuple[str, str]]
    problem: str
    stored: str


def values_of(payload: str) -> Values:
    """Decode a stored message, and write its values; it never fails."""
    stored = _laid_out(payload)
    shown = Shown()
    try:
        found = decoded(Message.from_wire(payload))
        # The signal is an object without a name of its own.
        kwargs = [(name, shown.repr(value)) for name, value in found.items() if name != "signal"]
    except DecodeError as error:
        return Values((), f"This process cannot read the message: {error}", stored)
    except Exception as error:  # noqa: BLE001 - of the project's models, or a row that is gone
        return Values((), f"{type(error).__name__}: {error}", stored)
    return Values(kwargs, "", stored)


def _laid_out(payload: str) -> str:
    try:
        text = json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = payload
    return text if len(text) <= MOST else f"{text[:MOST]}…"
