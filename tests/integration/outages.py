"""Outages of a broker: send during one, see what the lifecycle signals tell, and assert its end."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from deferred_signals import events
from tests.support.connected import Connected, deferred
from tests.support.processes import wait_until

from .own_app import on_broker

#: Seconds that a busy machine may add.
ALLOWANCE = 0.7

#: Seconds that a request may be delayed.
BOUND = 1.0 + ALLOWANCE

#: Seconds of a commit that waits for nothing. One that waits takes a second.
AT_ONCE = ALLOWANCE

Send = Callable[[int], tuple[list[str], float]]


@dataclass
class Told:
    """The ids of messages, as the lifecycle signals tell of them."""

    published: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    causes: list[BaseException | None] = field(default_factory=list)

    def wait_for_failures(self, ids: list[str]) -> None:
        """Wait until these messages, and no others, were reported; what was on its way is so later."""
        wait_until(lambda: sorted(self.failed) == sorted(ids), 15, f"{len(ids)} failures")


@pytest.fixture
def told() -> Iterator[Told]:
    seen = Told()

    def published(message: Any, **kwargs: Any) -> None:
        seen.published.append(message.id)

    def failed(messages: Any, exception: Exception, **kwargs: Any) -> None:
        seen.failed += [message.id for message in messages]
        seen.causes.append(exception.__cause__)

    events.message_published.connect(published)
    events.publish_failed.connect(failed)
    yield seen
    events.message_published.disconnect(published)
    events.publish_failed.disconnect(failed)


@pytest.fixture
def send(defer: Connected) -> Send:
    """Send so often in one transaction; return the messages' ids and the seconds that it took."""
    signal = Signal()

    @defer(signal, name="tests.faults")
    def receive(sender: object, **kwargs: Any) -> None:
        """Never run: no worker reads the queue."""

    def send(count: int) -> tuple[list[str], float]:
        others: list[str] = []
        began = time.monotonic()
        with transaction.atomic():
            transaction.on_commit(lambda: others.append("before"))
            ids = [deferred(signal.send(None, number=number))[0].id for number in range(count)]
            transaction.on_commit(lambda: others.append("after"))
        took = time.monotonic() - began
        assert others == ["before", "after"]
        return ids, took

    return send


def assert_open(send: Send, told: Told) -> None:
    """Assert that the breaker is open: commits do not wait, and the failure is reported at once."""
    for _ in range(3):
        ids, took = send(2)
        assert took < AT_ONCE
        assert told.failed[-2:] == ids


def assert_recovers(
    send: Send, told: Told, url: str, *, count: int = 2, timeout: float = 20
) -> None:
    """Assert that commits soon publish again, each message once, and that none was delayed."""
    deadline = time.monotonic() + timeout
    while True:
        ids, took = send(count)
        assert took < BOUND
        if told.published[-count:] == ids:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    found = Counter(on_broker(url))
    assert set(ids) <= found.keys()
    assert set(told.published) <= found.keys()
    assert max(found.values()) == 1
