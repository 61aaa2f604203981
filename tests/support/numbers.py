"""`Numbers`: a receiver of numbered sends, for tests of which messages arrive and in which order."""

from typing import Any

import pytest
from django.dispatch import Signal

from tests.support.broker import Broker
from tests.support.connected import Connected


class Numbers:
    """A deferred receiver of one signal, and the numbers that were sent to it."""

    def __init__(self, signal: Signal, broker: Broker) -> None:
        self.ran: list[int] = []
        self._signal = signal
        self._broker = broker

    def receive(self, sender: object, number: int, **kwargs: Any) -> None:
        self.ran.append(number)

    def send(self, *numbers: int, **kwargs: Any) -> None:
        """Send the signal once for each number."""
        for number in numbers:
            self._signal.send(None, number=number, **kwargs)

    @property
    def published(self) -> list[int]:
        """Return the numbers that reached the broker since the last time."""
        return [published.kwargs["number"] for published in self._broker.take()]


@pytest.fixture
def numbers(signal: Signal, broker: Broker, defer: Connected) -> Numbers:
    """Connect a receiver with the default options, and send it numbers."""
    made = Numbers(signal, broker)
    defer(signal)(made.receive)
    return made
