"""`Lifecycle`: the lifecycle signals that were sent during a test, with their arguments."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from deferred_signals import events

#: Signals that tell of a step on the way: `of` has them.
STEPS = ("message_deferred", "message_kept", "receiver_ran")


@dataclass
class Lifecycle:
    """Keep the lifecycle signals, in the order in which they were sent."""

    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Return the names of those that tell what became of a message, without the steps between."""
        return [name for name, _ in self.seen if name not in STEPS]

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return the arguments of each signal of that name."""
        return [kwargs for seen, kwargs in self.seen if seen == name]


@pytest.fixture
def lifecycle() -> Iterator[Lifecycle]:
    """Listen to all lifecycle signals."""
    told = Lifecycle()
    listeners = []
    for name in events.__all__:

        def listener(name: str = name, **kwargs: Any) -> None:
            del kwargs["signal"]
            told.seen.append((name, kwargs))

        getattr(events, name).connect(listener)
        listeners.append((getattr(events, name), listener))
    yield told
    for signal, listener in listeners:
        signal.disconnect(listener)
