"""`current_message()`: what a receiver may ask about the message that it runs for."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

__all__ = ["CurrentMessage", "current_message", "entered"]


class CurrentMessage(NamedTuple):
    """The message that is being run.

    Attributes:
        id: the same in every attempt, so the key that makes a receiver idempotent.
        receiver: the receiver's name.
        attempt: this run, from 1.
        max_attempts: the policy's; None where only time limits it.
        sent_at: when ``send()`` was called, in UTC.
        depth: deferrals that led to this one.
    """

    id: str
    receiver: str
    attempt: int
    max_attempts: int | None
    sent_at: datetime
    depth: int


_current: ContextVar[CurrentMessage | None] = ContextVar("deferred_signals_current", default=None)


def current_message() -> CurrentMessage | None:
    """The message that the calling receiver runs for; None outside a deferred receiver.

    >>> current_message() is None
    True
    """
    return _current.get()


@contextmanager
def entered(current: CurrentMessage) -> Iterator[None]:
    """Make ``current`` the current message for the block."""
    token = _current.set(current)
    try:
        yield
    finally:
        _current.reset(token)
