"""What a row tells: its message, when it is due, and how it is published."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal

from deferred_signals.message.wire import unpack
from deferred_signals.serialization import CODEC
from tests.app.models import Label, Order
from tests.support.connected import Connected, deferred
from tests.support.outbox import Durable, wake_up_of

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

#: What the clocks of a test and of its database may differ by, and a slow machine takes.
SLACK = timedelta(seconds=20)


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def test_row_holds_the_message_as_it_was_sent(durable: Durable) -> None:
    values = {"text": "Zürich \U0001f600 \x00 \ud800 '\"%s\\", "items": [1]}
    with transaction.atomic():
        (id_,) = durable.send(1, **values)
        values["items"].append(2)  # type: ignore[attr-defined]
    row = durable.row()
    message = unpack(row.payload)
    assert (message.id, message.receiver) == (id_, "tests.durable")
    assert str(row.id) == id_
    assert row.receiver == "tests.durable"
    kwargs = {name: CODEC.decode(form) for name, form in message.kwargs.items()}
    assert kwargs == {"number": 1, "text": values["text"], "items": [1]}


def test_new_row_is_queued_and_due_after_the_lease(
    durable: Durable, configure: Callable[..., None]
) -> None:
    configure(OUTBOX={"LEASE": 300})
    durable.send(1)
    row = durable.row()
    assert abs(datetime.now(UTC) - row.created_at) < SLACK
    assert row.woken_at is not None
    assert row.due_at is not None
    assert abs(row.woken_at - row.created_at) < timedelta(seconds=1)
    assert abs(row.due_at - row.woken_at - timedelta(seconds=300)) < timedelta(seconds=1)
    assert (row.attempt, row.position, row.options, row.error) == (0, 0, "", "")
    nothing = (row.dead_at, row.expires_at, row.claimed_by, row.claimed_at)
    assert nothing == (None, None, None, None)
    assert (row.order_key, row.running_key) == (None, None)


def test_time_of_a_wake_up_is_that_of_its_row(durable: Durable) -> None:
    durable.send(1)
    (message,) = durable.published()
    assert abs(wake_up_of(message).at - durable.row().created_at.timestamp()) < 1


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_times_are_utc_whatever_the_zone_of_the_connection_is(durable: Durable, zone: str) -> None:
    if connection.vendor != "sqlite":
        told = {"postgresql": "SET TIME ZONE %s", "mysql": "SET time_zone = %s"}[connection.vendor]
        with connection.cursor() as cursor:
            offset = "+05:45" if zone != "UTC" else "+00:00"
            cursor.execute(told, [offset if connection.vendor == "mysql" else zone])
    durable.send(1)
    connection.close()
    assert abs(datetime.now(UTC) - durable.row().created_at) < SLACK


def test_countdown_wakes_nobody_and_is_due_then(durable: Durable, defer: Connected) -> None:
    durable.connect(name="tests.later", countdown=3600)
    durable.connect(name="tests.asked", countdown=lambda sender, number, **kwargs: number)
    with transaction.atomic():
        ids = durable.send(1800, 0)
    rows = {(row.receiver, row.position): row for row in durable.rows()}
    for key, seconds in {("tests.later", 1): 3600, ("tests.asked", 2): 1800}.items():
        row = rows[key]
        assert row.woken_at is None
        assert row.due_at is not None
        assert abs(row.due_at - row.created_at - timedelta(seconds=seconds)) < SLACK
    assert rows["tests.asked", 5].woken_at is not None  # none is none
    assert durable.woken() == [ids[0], ids[3], ids[5]]


def test_expires_is_a_column_and_never_told_to_celery(durable: Durable, defer: Connected) -> None:
    until = datetime(2100, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    durable.connect(name="tests.soon", expires=900)
    durable.connect(name="tests.until", expires=until, priority=3)
    durable.send(1)
    rows = {row.receiver: row for row in durable.rows()}
    soon, due = rows["tests.soon"].expires_at, rows["tests.soon"].created_at
    assert soon is not None
    assert abs(soon - due - timedelta(seconds=900)) < SLACK
    assert rows["tests.until"].expires_at == until
    assert rows["tests.durable"].expires_at is None
    messages = durable.published()
    assert len(messages) == 3
    for message in messages:
        assert message.headers["expires"] is None
        assert message.headers["eta"] is None
        assert "expiration" not in message.properties
    assert [message.properties["priority"] for message in messages] == [0, 0, 3]


def test_options_of_the_message_are_kept_and_the_receivers_own_are_not(
    durable: Durable, configure: Callable[..., None]
) -> None:
    durable.connect(name="tests.static", queue="slow", priority=2, countdown=5, expires=9)
    durable.connect(
        name="tests.called",
        queue=lambda sender, number, **kwargs: f"queue-{number}",
        priority=lambda sender, **kwargs: None,
        time_limit=30,
    )
    durable.send(7)
    rows = {row.receiver: row.options for row in durable.rows()}
    assert rows["tests.durable"] == rows["tests.static"] == ""
    assert json.loads(rows["tests.called"]) == {"queue": "queue-7"}
    assert [message.task for message in durable.published("queue-7")] == ["tests.called"]
    configure(QUEUE="usual")
    durable.send(8)
    row = next(row for row in durable.rows() if number_and_name(row) == (8, "tests.durable"))
    assert json.loads(row.options) == {"queue": "usual"}


def number_and_name(row: Any) -> tuple[object, str]:
    return unpack(row.payload).kwargs["number"], row.receiver


def test_subject_is_the_first_row_that_the_message_refers_to(
    durable: Durable, defer: Connected
) -> None:
    defer(post_save, sender=Label, name="tests.saved", durable=True)(receive)
    defer(post_delete, sender=Label, name="tests.deleted", durable=True)(receive)
    order = Order(pk=7)
    order._state.adding = False
    label = Label(name="w" * 30 + "é'\U0001f600")
    label.save()
    label.delete()
    durable.send(1)
    durable.send(2, total=9, order=order, labels=[label])
    subjects = [row.subject for row in durable.rows()]
    saved, deleted, none, first = subjects
    assert saved == deleted
    assert saved.startswith("tests_app.Label 'www")
    assert (none, first) == ("", "tests_app.Order 7")


def test_subject_of_any_key_fits(durable: Durable, configure: Callable[..., None]) -> None:
    for key in ("\x00", "\ud800", "\U0001f600" * 40, "%s'\"\\", "x" * 5000):
        label = Label(name=key)
        label._state.adding = False
        durable.send(1, label=label)
    for row in durable.rows():
        assert row.subject.startswith("tests_app.Label ")
        assert len(row.subject) <= 255


def test_sends_that_are_coalesced_are_one_row_of_the_last_id(
    signal: Signal, defer: Connected, durable: Durable
) -> None:
    defer(signal, durable=True, coalesce=lambda sender, key, **kwargs: key)(receive)

    def send(number: int, key: str | None) -> str:
        (result,) = deferred(signal.send(None, number=number, key=key, update_fields={number}))
        return result.id

    with transaction.atomic():
        send(0, "a")
        send(1, "b")
        with transaction.atomic():
            send(2, "a")
            transaction.set_rollback(True)
        alone = send(3, None)
        with transaction.atomic():
            last_a = send(4, "a")
        last_b = send(5, "b")
        assert durable.rows() == []
    rows = durable.rows()
    assert [str(row.id) for row in rows] == [alone, last_a, last_b]
    assert [row.position for row in rows] == [2, 3, 4]
    merged = [CODEC.decode(unpack(row.payload).kwargs["update_fields"]) for row in rows]
    assert merged == [{3}, {0, 4}, {1, 5}]
    assert sorted(durable.woken()) == sorted([alone, last_a, last_b])


def test_row_has_the_longest_name_that_a_receiver_may_have(
    signal: Signal, defer: Connected, durable: Durable
) -> None:
    name = "tests." + "x" * 194
    defer(signal, name=name, durable=True)(receive)
    signal.send(None)
    assert durable.row().receiver == name
