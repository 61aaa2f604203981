"""Messages for a receiver that a test declares."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.dispatch import Signal

from deferred_signals.message import Message
from deferred_signals.running import executor
from deferred_signals.running.attempt import prepare
from deferred_signals.running.outcomes import Failed, Outcome
from tests.support.connected import Connected

Make = Callable[..., Message]


@pytest.fixture
def make(signal: Signal, defer: Connected) -> Make:
    """Connect a receiver, and make a message for it."""

    def make(
        function: Any, *, kwargs: dict[str, Any] | None = None, attempt: int = 1, **options: Any
    ) -> Message:
        defer(signal, name="tests.executed", **options)(function)
        return Message(
            id="the-id",
            receiver="tests.executed",
            signal="tests.executed#0",
            sender=None,
            kwargs={"card": "swordfish"} if kwargs is None else kwargs,
            using="default",
            sent_at=datetime.now(UTC),
            depth=2,
            attempt=attempt,
        )

    return make


def execute(message: Message) -> Outcome:
    """Run the attempt that a message asks for, if one can be made here."""
    attempt = prepare(message)
    return attempt if isinstance(attempt, Failed) else executor.execute(attempt)


def raising(error: BaseException) -> Callable[..., None]:
    def receive(sender: object, **kwargs: object) -> None:
        raise error

    return receive
