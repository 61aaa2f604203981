"""Messages of commit delivery that are given up leave dead letters, before Celery is told of the end."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from celery.exceptions import WorkerLostError
from django.db import connection
from django.dispatch import Signal

from deferred_signals import Discard, Retry
from deferred_signals.events import receiver_failed
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.message.wire import pack, unpack
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.receivers import registry
from deferred_signals.running.outcomes import Succeeded
from deferred_signals.worker.parking import PARKED
from deferred_signals.worker.rows import Rows
from tests.app.models import Order
from tests.project.celery import app
from tests.support.acting import Acting, raising
from tests.support.celery_messages import CeleryMessage, SendTogether, take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.parents import Delivered
from tests.support.processes import wait_until

from .rows import Kept, database_away, is_set, logged, now, seconds

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("broker", "plugged"),
]

Configure = Callable[..., None]

ONCE = Retry(max_attempts=1)
OPTIONS: dict[str, Any] = {"retry": ONCE, "name": "tests.buried"}


def failing(*_: object) -> None:
    raise ConnectionError("the mail server is down")


def letter() -> OutboxMessage:
    return OutboxMessage.objects.get()


def test_message_that_is_given_up_leaves_a_dead_letter(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    order = Order.objects.create(status="new")
    options = {**OPTIONS, "retry": Retry(max_attempts=3), "priority": 3, "expires": 900}
    defer(signal, headers={"tenant": "blue"}, **options)(Acting({0: failing}))
    (celery_message,) = send_together(1, order=order)
    last = pack(replace(unpack(celery_message.wires[0]), attempt=3))
    began = now()
    assert replace(celery_message, wires=(last,)).deliver() == "FAILURE"
    found = letter()
    assert (str(found.id), found.receiver) == (celery_message.ids[0], "tests.buried")
    assert found.subject == f"tests_app.Order {order.pk}"
    assert found.payload == last
    assert (found.attempt, found.due_at, found.woken_at, found.claimed_by) == (3, None, None, None)
    assert is_set(found.dead_at, 0, began, slack=1)
    assert is_set(found.expires_at, 900, began, slack=2)
    assert json.loads(found.options) == {"queue": "celery"}  # the rest is the receiver's own
    assert found.error.startswith("Traceback")
    assert "in failing" in found.error
    assert "ConnectionError: the mail server is down" in found.error
    assert lifecycle.names == ["message_published", "receiver_started", "receiver_failed"]


def test_dead_letter_is_there_before_anybody_is_told_of_the_failure(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    seen: list[int] = []

    def look(**kwargs: object) -> None:
        seen.append(OutboxMessage.objects.exclude(dead_at=None).count())

    defer(signal, **OPTIONS)(Acting({0: failing}))
    (celery_message,) = send_together(1)
    receiver_failed.connect(look)
    celery_message.deliver()
    receiver_failed.disconnect(look)
    assert seen == [1]


def test_each_call_of_a_chunk_leaves_its_own(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting({1: failing, 3: failing})
    defer(signal, chunk_size=10, **OPTIONS)(acting)
    (celery_message,) = send_together(5)
    assert celery_message.deliver() == "SUCCESS"
    found = {str(each.id) for each in OutboxMessage.objects.exclude(dead_at=None)}
    assert found == {celery_message.ids[1], celery_message.ids[3]}


@pytest.mark.parametrize("does", [lambda: None, raising(Discard("no"))], ids=["success", "discard"])
def test_message_that_is_through_leaves_none(
    signal: Signal, defer: Connected, send_together: SendTogether, does: Callable[..., None]
) -> None:
    defer(signal, **OPTIONS)(Acting({0: does}))
    (celery_message,) = send_together(1)
    assert celery_message.deliver() == "SUCCESS"
    assert not OutboxMessage.objects.exists()


def test_payload_that_is_no_message_leaves_none(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    defer(signal, chunk_size=10, **OPTIONS)(Acting())
    (celery_message,) = send_together(1)
    assert replace(celery_message, wires=("forged",)).deliver() == "FAILURE"
    assert replace(celery_message, wires=("forged", *celery_message.wires)).deliver() == "SUCCESS"
    assert len(lifecycle.of("receiver_failed")) == 2
    assert not OutboxMessage.objects.exists()


def test_message_that_takes_workers_down_leaves_one(
    signal: Signal, defer: Connected, send_together: SendTogether, configure: Configure
) -> None:
    configure(MAX_REDELIVERIES=2)
    defer(signal, **OPTIONS)(Acting())
    (celery_message,) = send_together(1)
    worn = pack(replace(unpack(celery_message.wires[0]), redeliveries=2))
    assert replace(celery_message, wires=(worn,)).deliver(redelivered=True) == "FAILURE"
    assert letter().dead_at is not None
    assert "RedeliveredTooOften" in letter().error


def test_message_that_nobody_knew_leaves_one_without_a_run(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, **OPTIONS)(Acting())
    (celery_message,) = send_together(1)
    registry.discard(registry.get("tests.buried"))
    parked = CeleryMessage(
        PARKED,
        (celery_message.wires[0], time.time() - 4000, 9),  # type: ignore[arg-type]  # what parking adds
        {**celery_message.headers, "task": PARKED, "tenant": "blue"},
        celery_message.properties,
    )
    assert parked.deliver() == "FAILURE"
    found = letter()
    assert (found.receiver, found.attempt) == ("tests.buried", 0)
    assert found.dead_at is not None
    assert json.loads(found.options)["headers"] == {"tenant": "blue"}
    assert "No deferred receiver is called 'tests.buried'" in found.error


def test_header_that_no_row_can_hold_costs_the_headers_and_not_the_letter(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, **OPTIONS)(Acting({0: failing}))
    (celery_message,) = send_together(1)
    headers = {**celery_message.headers, "at": datetime.now(UTC)}
    assert replace(celery_message, headers=headers).deliver() == "FAILURE"
    assert letter().dead_at is not None
    assert letter().options == ""


def test_task_that_is_called_in_this_process_leaves_none(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, **OPTIONS)(Acting({0: failing}))
    (celery_message,) = send_together(1)
    task = app.tasks["tests.buried"]
    with pytest.raises(ConnectionError):
        task(*celery_message.wires)
    assert task.apply(celery_message.wires).state == "FAILURE"
    assert not OutboxMessage.objects.exists()


def test_what_is_malformed_beside_a_message_costs_no_letter(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    """Headers are data from outside, too."""
    defer(signal, **OPTIONS)(Acting({0: failing}))
    (celery_message,) = send_together(1)
    headers = {**celery_message.headers, "timelimit": ["forged", None], "expires": "soon"}
    assert replace(celery_message, headers=headers).deliver() == "FAILURE"
    assert letter().dead_at is not None


def test_database_that_is_away_costs_the_letter_and_nothing_else(
    signal: Signal,
    defer: Connected,
    send_together: SendTogether,
    lifecycle: Lifecycle,
    caplog: pytest.LogCaptureFixture,
) -> None:
    defer(signal, **OPTIONS)(Acting({0: failing}))
    (celery_message,) = send_together(1)
    with database_away():
        assert celery_message.deliver() == "FAILURE"
    connection.close()
    assert not OutboxMessage.objects.exists()
    assert len(lifecycle.of("receiver_failed")) == 1
    no_letter, failed = logged(caplog)
    assert "No dead letter of message" in no_letter
    assert celery_message.ids[0] in no_letter
    assert "failed for good" in failed


def test_id_that_is_no_rows_costs_the_letter_and_nothing_else(
    signal: Signal,
    defer: Connected,
    send_together: SendTogether,
    lifecycle: Lifecycle,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A message is data from outside."""
    defer(signal, **OPTIONS)(Acting({0: failing}))
    (celery_message,) = send_together(1)
    forged = pack(replace(unpack(celery_message.wires[0]), id="5f1c"))
    assert replace(celery_message, wires=(forged,)).deliver() == "FAILURE"
    assert not OutboxMessage.objects.exists()
    assert len(lifecycle.of("receiver_failed")) == 1
    assert "No dead letter of message 5f1c" in caplog.text


def test_message_that_fails_while_its_row_waits_leaves_the_row(kept: Kept) -> None:
    """A redelivery that comes beside it."""
    kept.connect(failing, durable=False, retry=ONCE)
    kept.signal.send(None, number=1)
    (celery_message,) = take_celery_messages()
    assert celery_message.deliver() == "FAILURE"
    wake_up = WakeUp("default", celery_message.ids[0], 1, 1.0)
    kept.change(wake_up, dead_at=None, due_at=seconds(60), error="")
    assert celery_message.deliver() == "FAILURE"
    assert (letter().dead_at, letter().error) == (None, "")


def test_letter_of_a_message_that_fails_again_tells_of_the_last_failure(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting({0: failing})
    defer(signal, **OPTIONS)(acting)
    (celery_message,) = send_together(1)
    celery_message.deliver()
    acting.does[0] = raising(LookupError("no stock"))
    celery_message.deliver()  # somebody has sent it again
    assert "no stock" in letter().error
    assert "mail server" not in letter().error


def test_dead_letter_runs_again_when_it_is_made_due(kept: Kept) -> None:
    function = kept.connect(failing, durable=False, retry=ONCE)
    kept.signal.send(None, number=7)
    (celery_message,) = take_celery_messages()
    celery_message.deliver()
    wake_up = WakeUp("default", celery_message.ids[0], 0, 1.0)
    kept.change(wake_up, attempt=0, dead_at=None, due_at=seconds(0))
    function.does = None
    assert kept.run(wake_up) == Succeeded()
    assert [run["number"] for run in function.runs] == [7, 7]
    assert not OutboxMessage.objects.exists()


# Deaths of children, which the worker's parent sees to: its own thread must not wait for a database.


def test_child_that_dies_in_its_last_run_leaves_a_dead_letter(
    signal: Signal, defer: Connected, lifecycle: Lifecycle, plugged: Rows
) -> None:
    defer(signal, **OPTIONS)(Acting())
    signal.send(None, number=0)
    delivered = Delivered()
    delivered.end_by(WorkerLostError("killed"))
    assert delivered.answers == ["acknowledged"]
    wait_until(OutboxMessage.objects.exists, 10, "the dead letter is written")
    found = letter()
    assert (found.attempt, found.due_at) == (1, None)
    assert "WorkerLostError: killed" in found.error
    assert len(lifecycle.of("receiver_failed")) == 1


def test_worker_that_ends_writes_the_letters_that_are_still_to_be_written(
    signal: Signal, defer: Connected, plugged: Rows
) -> None:
    defer(signal, **OPTIONS)(Acting())
    signal.send(None, number=0)
    Delivered().end_by(WorkerLostError("killed"))
    plugged.end()
    assert letter().dead_at is not None
