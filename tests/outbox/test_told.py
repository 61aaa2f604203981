"""What is told of durable runs is what is told of others, and holds no values."""

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from celery.exceptions import WorkerLostError

from deferred_signals import Discard, RetryLater
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.leases import Leases
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.relay import Relay
from deferred_signals.outbox.store import Store
from deferred_signals.outbox.worker import OutboxRows
from deferred_signals.worker.rows import keep_rows_in, rows
from tests.support.celery_messages import CeleryMessage, take_celery_messages
from tests.support.lifecycle import Lifecycle
from tests.support.processes import wait_until

from .rows import POLICY, Kept, death, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

CARD = "4111 1111"


@pytest.fixture(autouse=True)
def outbox() -> Any:
    """Plug in what a worker has."""
    before = keep_rows_in(OutboxRows)
    yield
    rows().end()
    keep_rows_in(before)


def next_message() -> CeleryMessage:
    """Wait for a message on the broker: commits do not wait for wake-ups."""
    found: list[CeleryMessage] = []

    def is_there() -> bool:
        found.extend(take_celery_messages())
        return bool(found)

    wait_until(is_there, 10, "a message")
    (message,) = found
    return message


class Story:
    """What was told, without ids, names and times."""

    def __init__(self, kept: Kept, lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture) -> None:
        self.kept = kept
        self.lifecycle = lifecycle
        self.caplog = caplog

    def of(self, does: Any, attempt: int, **options: Any) -> tuple[Any, ...]:
        """Send, bring the message to an attempt, and run it. Return all that was told."""
        self.lifecycle.seen.clear()
        self.caplog.clear()
        self.kept.connect(does, **options)
        self.kept.signal.send(None, order_id=7, card=CARD)
        message = next_message()
        state = message.deliver()
        while attempt > 1:
            attempt -= 1
            self.lifecycle.seen.clear()
            self.caplog.clear()
            message = self._again(message)
            state = message.deliver()
        events = [
            (name, sorted(kwargs), kwargs.get("reason"), kwargs.get("wait"), self._of(kwargs))
            for name, kwargs in self.lifecycle.seen
            if name != "message_published"
        ]
        logs = [
            (
                record.levelno,
                re.sub(r"message \S+:", "", record.getMessage()),
                bool(record.exc_info),
            )
            for record in self.caplog.records
            if record.name == "deferred_signals"
        ]
        shown = message.headers["argsrepr"]
        self.kept.disconnect()
        take_celery_messages()
        return state, events, logs, shown

    def _of(self, kwargs: dict[str, Any]) -> Any:
        message = kwargs["message"]
        return message.attempt, message.describe(), type(kwargs.get("exception"))

    def _again(self, message: CeleryMessage) -> CeleryMessage:
        """Return the next attempt's message: what was published, or what a relay would publish."""
        if found := take_celery_messages():
            return found[0]
        row = OutboxMessage.objects.get(dead_at=None)
        wire = WakeUp("default", str(row.id), row.attempt, 1.0).to_wire()
        return CeleryMessage(message.task, (wire,), message.headers, message.properties)


ENDS: dict[str, tuple[Callable[[], Any], int]] = {
    "success": (lambda: None, 1),
    "first failure": (lambda: ConnectionError("no gateway"), 1),
    "second failure": (lambda: ConnectionError("no gateway"), 2),
    "last failure": (lambda: ConnectionError("no gateway"), 3),
    "discard": (lambda: Discard("it is not wanted"), 1),
    "later": (lambda: RetryLater(after=30), 1),
}


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
@pytest.mark.parametrize(("make", "attempt"), ENDS.values(), ids=ENDS)
def test_durable_run_is_told_as_any_other(
    make: Callable[[], Any],
    attempt: int,
    atomic: bool,
    kept: Kept,
    lifecycle: Lifecycle,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    story = Story(kept, lifecycle, caplog)
    name = "tests.told"
    expected = story.of(make(), attempt, name=name, durable=False)
    assert story.of(make(), attempt, name=name, durable=True, atomic=atomic) == expected
    assert CARD not in str(expected)


@pytest.mark.parametrize("way", ["run", "unknown", "malformed", "spent", "killed"])
def test_nothing_that_is_told_or_stored_beside_the_payload_holds_values(
    way: str, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "deferred_signals")

    def fail() -> None:
        raise ConnectionError("no gateway")

    kept.connect(fail, name="tests.told")
    kept.signal.send(None, order_id=7, card=CARD)
    message = next_message()
    row = OutboxMessage.objects.get()
    wake_up = WakeUp("default", str(row.id), 0, 1.0)
    match way:
        case "unknown":
            kept.forget()
        case "malformed":
            kept.change(wake_up, payload=row.payload[:-1] + ',"depth":"x"}')
        case "spent":
            kept.change(wake_up, attempt=3, woken_at=seconds(0))
            wake_up = wake_up._replace(attempt=3)
    if way == "killed":
        leases = Leases(Store())
        leases.note(death(kept.name, wake_up, 1, WorkerLostError("killed")))
        leases.end(10)
    else:
        kept.run(wake_up)
    row = OutboxMessage.objects.get()
    assert row.error
    texts = [row.error, row.subject, row.options, str(message.headers), *message.wires]
    formatter = logging.Formatter()
    texts += [formatter.format(record) for record in caplog.records]
    assert CARD in row.payload
    assert [text for text in texts if CARD in text] == []


def test_relay_publishes_no_values(kept: Kept) -> None:
    kept.connect(countdown=60)
    wake_up = kept.send(order_id=7, card=CARD)
    kept.change(wake_up, due_at=seconds(-1))
    Relay(kept.store).look(for_lost=False)
    (message,) = take_celery_messages()
    assert WakeUp.from_wire(message.wires[0]).id == wake_up.id
    assert CARD not in str(message)


def test_policy_is_the_receivers(kept: Kept, configure: Callable[..., None]) -> None:
    """The settings may name another policy by now."""
    configure(RETRY={"max_attempts": 1})
    kept.connect(ConnectionError(), retry=POLICY)
    wake_up = kept.send()
    assert len(kept.run_through(wake_up)) == 3
