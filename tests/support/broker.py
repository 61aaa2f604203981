"""The broker inside of this process, and the messages that lie on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from deferred_signals.message import Message
from deferred_signals.serialization import CODEC
from tests.project.celery import app


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
