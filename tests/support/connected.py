"""Deferred receivers that end with their test: nearly every test starts with `signal` and `defer`."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import pytest
from django.dispatch import Signal

from deferred_signals import Deferred, current_message, receiver
from deferred_signals.receivers import registry
from deferred_signals.running.current import CurrentMessage

_numbers = count(1)


def running() -> CurrentMessage:
    """Return the message that the calling receiver runs for."""
    found = current_message()
    assert found is not None
    return found


def deferred(results: Sequence[tuple[object, object]]) -> list[Deferred]:
    """Return what was deferred, out of the results of a `send()`."""
    return [result for _, result in results if isinstance(result, Deferred)]


class Connected:
    """Connect deferred receivers, and disconnect them at the end of the test."""

    def __init__(self) -> None:
        self._made: list[tuple[list[Signal], Callable[..., Any], dict[str, Any]]] = []

    def __call__(self, signal: Signal | list[Signal], **options: Any) -> Callable[[Any], Any]:
        """Call `receiver(signal, deferred=True, ...)`; without `name` the receiver gets a unique one."""
        options.setdefault("name", f"tests.receiver_{next(_numbers)}")
        signals = list(signal) if isinstance(signal, (list, tuple)) else [signal]

        def decorate(function: Any) -> Any:
            result = receiver(signal, deferred=True, **options)(function)
            self._made.append((signals, function, options))
            return result

        return decorate

    def end(self) -> None:
        """Disconnect and forget them all."""
        for signals, function, options in self._made:
            sender, uid = options.get("sender"), options.get("dispatch_uid")
            for one in sender if isinstance(sender, (list, tuple)) else [sender]:
                for signal in signals:
                    signal.disconnect(function, sender=one, dispatch_uid=uid)
            found = registry.find(options["name"])
            if found is not None:
                registry.discard(found)


@pytest.fixture
def signal() -> Signal:
    """Make a signal that nobody else listens to."""
    return Signal()


@pytest.fixture
def defer() -> Iterator[Connected]:
    """Defer receivers for the length of one test: `receiver(..., deferred=True)`."""
    connected = Connected()
    yield connected
    connected.end()


@pytest.fixture
def only_own_receivers() -> Iterator[None]:
    """Hide the receivers of the test project, so that there are none but the test's own."""
    present = list(registry.all_receivers())
    for one in present:
        registry.discard(one)
    yield
    for one in present:
        registry.add(one)
