"""Calling the project's own callables at send, whose exceptions must reach the sender.

Any other exception during a send is the library's fault, and must not break the sender. To tell the
two apart, an exception of a callable is wrapped in `Raised` until it leaves the library's code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Raised", "ask"]

Answer = TypeVar("Answer")


class Raised(Exception):
    """The project's own code raised an exception.

    Attributes:
        error: the exception, which the sender must get.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def ask(call: Callable[..., Answer], sender: object, kwargs: Mapping[str, object]) -> Answer:
    """Call a callable of the project's with the arguments of a send.

    Raises:
        Raised: the callable raised an exception.
    """
    try:
        return call(sender, **kwargs)
    except Exception as error:  # noqa: BLE001 - it is raised again for the sender
        raise Raised(error) from None
