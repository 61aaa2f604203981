"""Turns: messages of one order run one after another, as rows of the outbox do."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

__all__ = ["Turns"]

T = TypeVar("T")


class Turns(Generic[T]):
    """The living messages of each order. The earliest one's turn it is, whatever it waits for."""

    def __init__(self) -> None:
        self._living: dict[str, deque[T]] = {}

    def join(self, key: str | None, message: T) -> None:
        """Let a message stand behind those of its order; None: it waits for no other."""
        if key is not None:
            self._living.setdefault(key, deque()).append(message)

    def is_turn_of(self, key: str | None, message: T) -> bool:
        """Return whether a message may run."""
        return key is None or self._living[key][0] is message

    def end(self, key: str | None, message: T) -> T | None:
        """Take a message out that is through; return the one whose turn it now is."""
        if key is None:
            return None
        living = self._living[key]
        living.remove(message)
        return living[0] if living else None
