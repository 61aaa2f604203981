"""Messages of commit delivery that cannot be published become rows, which are durable from then on."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import current_app
from celery.signals import before_task_publish
from django.db import connection, transaction
from django.db.backends.signals import connection_created
from django.dispatch import Signal

from deferred_signals import PublishError
from deferred_signals.message.wakeup import WakeUp, is_wake_up
from deferred_signals.message.wire import unpack
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.running.outcomes import Succeeded
from deferred_signals.testing import inline, live, manual
from deferred_signals.worker.rows import Rows
from tests.app.models import Order
from tests.project.celery import app
from tests.support.acting import Acting
from tests.support.celery_apps import MakeCurrent
from tests.support.celery_messages import take_celery_messages
from tests.support.connected import Connected, deferred
from tests.support.lifecycle import Lifecycle
from tests.support.processes import wait_until

from .rows import Kept, database_away, is_set, logged, now

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("plugged"),
]

Configure = Callable[..., None]


@pytest.fixture
def told(broker_away: None, lifecycle: Lifecycle) -> Callable[[int], list[dict[str, Any]]]:
    """Have no broker; wait until so many messages were told of, and return what was."""

    def told(count: int) -> list[dict[str, Any]]:
        def found() -> int:
            return sum(len(one["messages"]) for one in lifecycle.of("publish_failed"))

        wait_until(lambda: found() >= count, 20, f"{count} messages are told of")
        assert found() == count
        return lifecycle.of("publish_failed")

    return told


Told = Callable[[int], list[dict[str, Any]]]


def row() -> OutboxMessage:
    return OutboxMessage.objects.get()


def test_message_that_cannot_be_published_becomes_a_row_that_is_due(
    signal: Signal,
    defer: Connected,
    told: Told,
    configure: Configure,
    caplog: pytest.LogCaptureFixture,
) -> None:
    configure(SIGNING=True)
    defer(signal, name="tests.spilled")(Acting())
    order = Order.objects.create(status="new")
    began = now()
    with transaction.atomic():
        (sent,) = deferred(signal.send(None, number=1, order=order))
    (failure,) = told(1)
    found = row()
    assert (str(found.id), found.receiver) == (sent.id, "tests.spilled")
    assert found.subject == f"tests_app.Order {order.pk}"
    assert found.payload.startswith("{"), "the payload is not signed"
    configure(SIGNING=False)
    assert unpack(found.payload).kwargs["number"] == 1
    assert (found.attempt, found.options, found.error) == (0, "", "")
    assert (found.woken_at, found.claimed_by, found.dead_at) == (None, None, None)
    assert is_set(found.due_at, 0, began, slack=1)
    assert is_set(found.created_at, 0, began, slack=1)
    assert isinstance(failure["exception"], PublishError)
    assert failure["exception"].is_kept
    assert "is kept, to be published later" in caplog.text
    assert "are kept, to be published later" in str(failure["exception"])
    assert "lost" not in caplog.text + str(failure["exception"])


def test_what_is_left_of_a_messages_options_stays_with_it(
    signal: Signal, defer: Connected, told: Told
) -> None:
    defer(
        signal,
        name="tests.spilled",
        queue=lambda sender, **kwargs: "aside",
        priority=3,
        countdown=30,
        expires=90,
        headers={"tenant": "blue"},
        time_limit=20,
    )(Acting())
    began = now()
    signal.send(None, number=1)
    told(1)
    found = row()
    assert json.loads(found.options) == {"queue": "aside"}  # the rest is the receiver's own
    assert is_set(found.due_at, 30, began, slack=1)
    assert found.woken_at is None
    assert is_set(found.expires_at, 90, began, slack=1)


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write a tenant and a stamp into what is published, as packages for tenants do: that of the process."""
    current = ["blue"]
    apply_async = current_app.Task.apply_async

    def with_tenant(self: Any, *args: Any, headers: Any = None, **options: Any) -> Any:
        headers = {**(headers or {}), "_schema_name": current[0]}
        return apply_async(self, *args, headers=headers, **options)

    monkeypatch.setattr(current_app.Task, "apply_async", with_tenant)
    return current


def test_headers_of_the_send_reach_the_wake_up_whatever_the_relay_writes_there(
    kept: Kept,
    told: Told,
    tenant: list[str],
    plugged: Rows,
) -> None:
    kept.connect(durable=False, headers={"trace": "7"}, priority=4)
    with transaction.atomic():
        ids = {one.id for _ in range(2) for one in deferred(kept.signal.send(None))}
    told(2)
    tenant[0] = "public"
    app.set_current()
    assert plugged.look() == 2
    found = [message for message in take_celery_messages() if is_wake_up(message.wires[0])]
    assert {WakeUp.from_wire(message.wires[0]).id for message in found} == ids
    for message in found:
        assert (message.headers["_schema_name"], message.headers["trace"]) == ("blue", "7")
        assert message.properties["priority"] == 4


def test_row_runs_as_a_durable_message_though_its_receiver_is_none(
    kept: Kept, told: Told, lifecycle: Lifecycle
) -> None:
    function = kept.connect(durable=False)
    (sent,) = deferred(kept.signal.send(None, number=1))
    told(1)
    assert kept.run(WakeUp("default", sent.id, 0, 1.0)) == Succeeded()
    assert OutboxMessage.objects.count() == 0
    assert [run["number"] for run in function.runs] == [1]
    assert lifecycle.names[-2:] == ["receiver_started", "receiver_succeeded"]


def test_messages_of_a_chunk_become_a_row_each(
    signal: Signal, defer: Connected, told: Told
) -> None:
    defer(signal, name="tests.spilled", chunk_size=10, time_limit=3)(Acting())
    with transaction.atomic():
        ids = [one.id for number in range(25) for one in deferred(signal.send(None, number=number))]
    told(25)
    assert sorted(str(found.id) for found in OutboxMessage.objects.all()) == sorted(ids)
    assert {found.options for found in OutboxMessage.objects.all()} == {""}


def test_flush_is_written_over_one_connection_that_is_closed(
    signal: Signal, defer: Connected, told: Told
) -> None:
    defer(signal, name="tests.spilled")(Acting())
    made: list[Any] = []

    def note(connection: Any, **kwargs: object) -> None:
        made.append(connection)

    with transaction.atomic():
        for number in range(5):
            signal.send(None, number=number, text="x" * 200_000)
        connection_created.connect(note)
    told(5)
    connection_created.disconnect(note)
    assert OutboxMessage.objects.count() == 5
    (opened,) = made
    assert opened.connection is None


def test_first_database_that_can_be_reached_is_taken(
    signal: Signal, defer: Connected, told: Told, configure: Configure
) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    defer(signal, name="tests.spilled")(Acting())
    with database_away():
        signal.send(None, number=1)
        told(1)
    connection.close()
    assert not OutboxMessage.objects.exists()
    assert OutboxMessage.objects.using("other").count() == 1


def test_messages_that_no_database_takes_are_told_as_lost(
    signal: Signal,
    defer: Connected,
    told: Told,
    caplog: pytest.LogCaptureFixture,
) -> None:
    defer(signal, name="tests.spilled")(Acting())
    with database_away():
        signal.send(None, number=1)
        (failure,) = told(1)
    assert not failure["exception"].is_kept
    could_not, lost = logged(caplog, logging.WARNING)
    assert "could not keep 1 messages" in could_not
    assert "is lost" in lost
    assert "kept, to be" not in caplog.text


def test_message_that_no_row_can_hold_is_lost_alone(
    signal: Signal, defer: Connected, told: Told
) -> None:
    def note_when(headers: dict[str, Any], **kwargs: object) -> None:
        headers["at"] = datetime.now(UTC)

    defer(signal, name="tests.spilled")(Acting())
    defer(signal, name="tests.unwritable")(Acting())
    before_task_publish.connect(note_when, sender="tests.unwritable")
    with transaction.atomic():
        signal.send(None, number=1)
    before_task_publish.disconnect(note_when, sender="tests.unwritable")
    failures = {one["messages"][0].receiver: one["exception"].is_kept for one in told(2)}
    assert failures == {"tests.spilled": True, "tests.unwritable": False}
    assert row().receiver == "tests.spilled"


@pytest.mark.usefixtures("broker_away")
@pytest.mark.parametrize("mode", [inline, manual])
def test_no_mode_that_keeps_messages_here_spills(
    signal: Signal, defer: Connected, mode: Callable[[], Any]
) -> None:
    defer(signal, name="tests.spilled")(Acting())
    with mode(), transaction.atomic():
        signal.send(None, number=1)
    assert not OutboxMessage.objects.exists()


def test_end_of_a_mode_spills_nothing(
    signal: Signal,
    defer: Connected,
    make_current: MakeCurrent,
    lifecycle: Lifecycle,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_current(broker_url="amqp://127.0.0.1:1//", broker_connection_timeout=1)
    defer(signal, name="tests.spilled")(Acting())
    with live(), transaction.atomic():
        signal.send(None, number=1)
    (failure,) = lifecycle.of("publish_failed")
    assert not failure["exception"].is_kept
    assert "the test ended" in caplog.text
    assert not OutboxMessage.objects.exists()


def test_test_that_may_not_publish_spills_nothing_either(
    signal: Signal, defer: Connected, settings: Any
) -> None:
    settings.CELERY_BROKER_URL = "amqp://127.0.0.1:1//"
    defer(signal, name="tests.spilled")(Acting())
    with pytest.raises(PublishError, match="A test would publish"):
        signal.send(None, number=1)
    assert not OutboxMessage.objects.exists()
