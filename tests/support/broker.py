"""The broker inside of this process (`memory://`), and our messages on it, one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from deferred_signals.message import Message
from deferred_signals.serialization import CODEC
from tests.project.celery import app


@dataclass(frozen=True)
class Published:
    """One message of ours on the broker, with the headers and properties of Celery's message."""

    message: Message
    task: str
    headers: dict[str, Any]
    properties: dict[str, Any]

    @property
    def kwargs(self) -> dict[str, Any]:
        """Decode the kwargs."""
        return {name: CODEC.decode(form) for name, form in self.message.kwargs.items()}


class Broker:
    """The queues of Celery's `memory://` transport."""

    def take(self, queue: str = "celery") -> list[Published]:
        """Take all messages off a queue, the oldest first; those of a chunk one by one."""
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
    """Give the broker, emptied."""
    broker = Broker()
    broker.clear()
    yield broker
    broker.clear()
