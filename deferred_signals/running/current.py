"""`current_message()`: what a receiver can ask about the message that it runs for."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["CurrentMessage", "current_message", "entered"]


class CurrentMessage(NamedTuple):
    """The message that is being run.

    Attributes:
        id: the message's id, the same in every attempt: the key that makes a receiver idempotent.
        receiver: the receiver's name.
        attempt: this run, from 1.
        max_attempts: the policy's; None where only the policy's ``timeout`` ends the attempts.
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


def current_message() -> CurrentMessage | Any:
    """Return the message that the calling receiver runs for; None outside a deferred receiver.

    To type checkers the result is a message, since that is what a receiver gets: so they allow
    ``current_message().id``, and flag an attribute that a message does not have. They also allow a
    comparison with None, in code that is called from elsewhere, too.

    >>> current_message() is None
    True
    """
    return _current.get()


class entered:  # noqa: N801 - used like a function, as `contextlib.suppress` is
    """Make a message the current one for the block."""

    __slots__ = ("_message", "_token")

    def __init__(self, message: CurrentMessage) -> None:
        self._message = message

    def __enter__(self) -> None:
        self._token = _current.set(self._message)

    def __exit__(self, *error: object) -> None:
        _current.reset(self._token)
