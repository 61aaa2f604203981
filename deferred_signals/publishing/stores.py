"""The port of the outbox for commit delivery: its app plugs in here what keeps messages for later."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from deferred_signals.message.outgoing import Outgoing

__all__ = ["Store", "has_store", "spill_to", "store", "without_store"]


class Store(Protocol):
    """Keeps messages that could not be published, and publishes them later."""

    def spill(self, batch: Sequence[Outgoing]) -> Mapping[str, Exception]:
        """Keep messages, whose options are what is left of them.

        Return the ids of those that cannot be kept, and why.

        Raises:
            Exception: none of them can.
        """


_store: Store | None = None


def spill_to(store: Store | None) -> Store | None:
    """Give what cannot be published to a store from now on; return the store until now."""
    global _store
    before, _store = _store, store
    return before


def store() -> Store | None:
    """Return the store; None where there is none."""
    return _store


def has_store() -> bool:
    """Return whether there is a store."""
    return _store is not None


@contextmanager
def without_store() -> Iterator[None]:
    """Have no store in the block."""
    before = spill_to(None)
    try:
        yield
    finally:
        spill_to(before)
