"""Messages for a receiver that a test declares: for tests of a run, without send and broker."""

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

MakeMessage = Callable[..., Message]


@pytest.fixture
def make_message(signal: Signal, defer: Connected) -> MakeMessage:
    """Connect a receiver, and make a message for it."""

    def make_message(
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

    return make_message


def execute(message: Message) -> Outcome:
    """Run the attempt that a message asks for, if one can be made here."""
    attempt = prepare(message)
    return attempt if isinstance(attempt, Failed) else executor.execute(attempt)
