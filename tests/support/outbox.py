"""`Durable`: numbered durable sends, their rows, and their wake-ups. Start here for durable delivery."""

import time
from collections.abc import Callable
from typing import Any

from django.dispatch import Signal

from deferred_signals.message.wakeup import WakeUp, is_wake_up
from deferred_signals.message.wire import unpack
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.serialization import CODEC
from tests.support.celery_messages import CeleryMessage, take_celery_messages
from tests.support.connected import Connected, deferred


class Durable:
    """A durable receiver of a signal, and what becomes of its numbered sends.

    Attributes:
        signal: the signal.
        name: the receiver's.
    """

    def __init__(self, defer: Connected, **options: Any) -> None:
        self.signal = Signal()
        self._marker = Signal()
        self._defer = defer
        self.name = self.connect(**options)
        defer(self._marker, name="tests.marker")(self._receive)

    def connect(self, **options: Any) -> str:
        """Connect one more receiver to the signal, and return its name."""
        options = {"durable": True, **options}
        self._defer(self.signal, **options)(receive := self._receiver())
        return str(options.get("name") or receive.__name__)

    @staticmethod
    def _receiver() -> Callable[..., None]:
        def receive(sender: object, **kwargs: Any) -> None:
            """Never run: no test here delivers the message."""

        return receive

    @staticmethod
    def _receive(sender: object, **kwargs: Any) -> None:
        """Never run, as above."""

    def send(self, *numbers: int, **kwargs: Any) -> list[str]:
        """Send the signal once for each number; return the ids of the messages."""
        results = [self.signal.send(None, number=number, **kwargs) for number in numbers]
        return [one.id for result in results for one in deferred(result)]

    def rows(self, using: str = "default") -> list[OutboxMessage]:
        """Return what is in the table, in the order in which it was sent."""
        found = OutboxMessage.objects.using(using).order_by("created_at", "position", "id")
        return list(found)

    def row(self) -> OutboxMessage:
        """Return the only row."""
        (found,) = self.rows()
        return found

    def kept(self, using: str = "default") -> list[int]:
        """Return the numbers in the table, in the order in which they were sent."""
        return [number_of(row) for row in self.rows(using)]

    def published(self, queue: str = "celery") -> list[CeleryMessage]:
        """Return what reached the broker since the last time.

        Commits do not wait for wake-ups, so this publishes a message behind them, and waits for it.
        """
        self._marker.send(None)
        found: list[CeleryMessage] = []
        behind = time.monotonic() + 20
        is_over = False
        while not is_over:
            assert time.monotonic() < behind, "nothing leaves"
            taken = take_celery_messages()
            is_over = any(message.task == "tests.marker" for message in taken)
            found += [message for message in taken if message.task != "tests.marker"]
            if not is_over:
                time.sleep(0.001)
        return found if queue == "celery" else take_celery_messages(queue)

    def woken(self) -> list[str]:
        """Return the ids in the wake-ups that reached the broker since the last time."""
        return [wake_up.id for wake_up in map(wake_up_of, self.published())]


def number_of(row: OutboxMessage) -> int:
    """Return the number that was sent."""
    number = CODEC.decode(unpack(row.payload).kwargs["number"])
    assert isinstance(number, int)
    return number


def wake_up_of(message: CeleryMessage) -> WakeUp:
    """Return the wake-up that is a message of Celery's."""
    (wire,) = message.wires
    assert is_wake_up(wire)
    return WakeUp.from_wire(wire)
