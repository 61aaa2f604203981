"""Receivers that do what a test tells them: for each number that is sent, or always an error."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.dispatch import Signal

from deferred_signals import Retry
from tests.support.connected import Connected

QUICK = Retry(max_attempts=3, wait_initial=5, wait_jitter=0)


@dataclass
class Acting:
    """A receiver that does what the test wants for each number that it is called with."""

    does: dict[int, Callable[[], None]] = field(default_factory=dict)
    ran: list[int] = field(default_factory=list)

    def __call__(self, sender: object, number: int, **kwargs: Any) -> None:
        self.ran.append(number)
        self.does.get(number, lambda: None)()


def raising(error: BaseException) -> Callable[..., None]:
    """Return a function that raises an error: a receiver, or what an `Acting` does."""

    def receive(sender: object = None, **kwargs: object) -> None:
        raise error

    return receive


@pytest.fixture
def chunked(signal: Signal, defer: Connected) -> Acting:
    """Connect a receiver whose calls travel together."""
    acting = Acting()
    defer(signal, name="tests.chunked", chunk_size=10, retry=QUICK)(acting)
    return acting
