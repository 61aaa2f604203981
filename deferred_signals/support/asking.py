"""Asking the project's own callables at send: what they raise is the sender's to see.

Whatever else goes wrong in a send is the library's affair, and must not break the sender. So an
error of a callable travels inside an exception of its own until it has left the library's code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Raised", "ask"]

Answer = TypeVar("Answer")


class Raised(Exception):
    """Carry an error for which the project's own code is answerable.

    Attributes:
        error: what the sender is to see.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def ask(call: Callable[..., Answer], sender: object, kwargs: Mapping[str, object]) -> Answer:
    """Call a callable of the project's with what was sent.

    Raises:
        Raised: the callable raised an exception.
    """
    try:
        return call(sender, **kwargs)
    except Exception as error:  # noqa: BLE001 - it is on its way to the sender
        raise Raised(error) from None
