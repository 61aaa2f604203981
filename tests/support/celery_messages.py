"""Celery's messages on the broker of this process: to look at, and to run as a worker's child does.

`tests.support.broker` gives our messages one by one. Use this module where it matters that several
of them travel in one message of Celery's (a chunk), or how Celery ends the task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from celery.app.trace import build_tracer
from django.db import transaction
from django.dispatch import Signal

from deferred_signals.message.wire import unpack
from tests.project.celery import app
from tests.support.broker import Broker


@dataclass
class CeleryMessage:
    """One message of Celery's, which brings one message of ours or a chunk of them."""

    task: str
    wires: tuple[str, ...]
    headers: dict[str, Any]
    properties: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        """Return the ids of our messages in this one."""
        return [unpack(wire).id for wire in self.wires]

    def deliver(self, *, redelivered: bool = False) -> str:
        """Run the task in this process as a worker's child does, and return its state for Celery."""
        task = app.tasks[self.task]
        request = {
            **self.headers,
            "delivery_info": {
                "exchange": "", "routing_key": "celery", "redelivered": redelivered,
                "priority": self.properties["priority"],
            },
            "properties": self.properties,
        }  # fmt: skip
        trace = build_tracer(task.name, task, app=app)
        _, info, _, _ = trace(self.headers["id"], list(self.wires), {}, request)
        return info.state if info else "SUCCESS"


def take_celery_messages(queue: str = "celery") -> list[CeleryMessage]:
    """Take all messages off a queue, the oldest first."""
    found = []
    with app.connection_for_read() as opened:
        channel: Any = opened.default_channel
        while (raw := channel.basic_get(queue, no_ack=True)) is not None:
            wires, _, _ = raw.decode()
            task = raw.headers["task"]
            found.append(CeleryMessage(task, tuple(wires), raw.headers, raw.properties))
    return found


#: Sends numbers in one transaction, and returns what that published.
SendTogether = Callable[..., list[CeleryMessage]]


@pytest.fixture
def send_together(signal: Signal, broker: Broker) -> SendTogether:
    """Send the numbers below a count in one transaction, and return what that published."""

    def send_together(count: int, **kwargs: Any) -> list[CeleryMessage]:
        with transaction.atomic():
            for number in range(count):
                signal.send(None, number=number, **kwargs)
        return take_celery_messages()

    return send_together
