"""Forgets receivers that a test declares inside of functions."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakSet

from deferred_signals.decorator import DeferredReceiver
from deferred_signals.receivers import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["forgetting_local_receivers"]


@contextmanager
def forgetting_local_receivers() -> Iterator[None]:
    """Forget at the end the receivers that were declared meanwhile inside of functions.

    Receivers of modules stay: a module that was first imported meanwhile would not connect its
    receivers again.
    """
    # Weak references, so that only the registry keeps receivers alive.
    before = WeakSet(_receivers())
    try:
        yield
    finally:
        for receiver in _receivers():
            if receiver not in before and "<locals>" in receiver.__qualname__:
                receiver.forget()


def _receivers() -> list[DeferredReceiver]:
    return [item for item in registry.all_receivers() if isinstance(item, DeferredReceiver)]
