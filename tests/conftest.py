"""What all tests share: receivers that end with their test, and a view into the broker."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from django.dispatch import Signal

from deferred_signals import Deferred, current_message, events, receiver, registry
from deferred_signals.message import Message
from deferred_signals.running.current import CurrentMessage
from deferred_signals.serialization import CODEC
from tests.project.celery import app

# A program, which makes settings of its own.
collect_ignore = ["hardships.py"]

_numbers = count(1)


def running() -> CurrentMessage:
    """The message that the calling receiver runs for."""
    found = current_message()
    assert found is not None
    return found


def deferred(results: Sequence[tuple[object, object]]) -> list[Deferred]:
    """What was deferred, of what `send()` gave."""
    return [result for _, result in results if isinstance(result, Deferred)]


class Connected:
    """Connects deferred receivers, and remembers them so that they end with the test."""

    def __init__(self) -> None:
        self._made: list[tuple[list[Signal], Callable[..., Any], dict[str, Any]]] = []

    def __call__(self, signal: Signal | list[Signal], **options: Any) -> Callable[[Any], Any]:
        """`receiver(signal, deferred=True, ...)`, under a name of its own where none is given."""
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
    """A signal that nobody else listens to."""
    return Signal()


@pytest.fixture
def defer() -> Iterator[Connected]:
    """`receiver(..., deferred=True)` for the length of one test."""
    connected = Connected()
    yield connected
    connected.end()


@dataclass(frozen=True)
class Published:
    """One message as it lies on the broker."""

    message: Message
    task: str
    headers: dict[str, Any]
    properties: dict[str, Any]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The kwargs, decoded."""
        return {name: CODEC.decode(form) for name, form in self.message.kwargs.items()}


class Broker:
    """The queues of Celery's `memory://` transport."""

    def take(self, queue: str = "celery") -> list[Published]:
        """Take all messages off a queue, the oldest first, and those of chunks one by one."""
        found = []
        with app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            while (raw := channel.basic_get(queue, no_ack=True)) is not None:
                wires, _, _ = raw.decode()
                found += [
                    Published(
                        Message.from_wire(wire), raw.headers["task"], raw.headers, raw.properties
                    )
                    for wire in wires
                ]
        return found

    def clear(self) -> None:
        """Empty all queues."""
        with app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            for queue in list(channel.queues):
                channel.queue_purge(queue)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """The broker, empty at first."""
    broker = Broker()
    broker.clear()
    yield broker
    broker.clear()


@dataclass
class Lifecycle:
    """What the lifecycle signals told, in order."""

    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.seen]

    def of(self, name: str) -> list[dict[str, Any]]:
        """The arguments of each signal of a name."""
        return [kwargs for seen, kwargs in self.seen if seen == name]


@pytest.fixture
def lifecycle() -> Iterator[Lifecycle]:
    """Listens to all lifecycle signals."""
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
