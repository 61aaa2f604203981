"""A place in a room at which a room above it plugs something in, without being imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Plug"]

T = TypeVar("T")


class Plug(Generic[T]):
    """What is plugged in, made when it is first needed; all threads of the process get the same.

    >>> lists = Plug[list[int]]()
    >>> lists.get() is None
    True
    >>> lists.put(list) is None
    True
    >>> lists.get() is lists.get()
    True
    """

    def __init__(self) -> None:
        self._make: Callable[[], T] | None = None
        #: What was made, under one key. Threads that need it first at one moment may each make one, and
        #: `setdefault` sees to it that they do not use one each.
        self._made: dict[str, T] = {}

    def put(self, make: Callable[[], T] | None) -> Callable[[], T] | None:
        """Plug something in; return what was plugged in until now.

        Arguments:
            make: makes it; None: nothing is plugged in from now on.
        """
        before, self._make = self._make, make
        self._made.clear()
        return before

    @property
    def is_used(self) -> bool:
        """Return whether something is plugged in."""
        return self._make is not None

    @property
    def made(self) -> T | None:
        """Return what is plugged in, if it was needed before."""
        return self._made.get("made")

    def get(self) -> T | None:
        """Return what is plugged in; None where nothing is."""
        if not self._made and self._make is not None:
            self._made.setdefault("made", self._make())
        return self.made
