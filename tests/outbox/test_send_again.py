"""`send_again` of a durable message: its dead letter makes room, under its id."""

from typing import Any

import pytest
from django.db import transaction

from deferred_signals import send_again
from deferred_signals.events import receiver_failed
from deferred_signals.message import Message
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.running.outcomes import Succeeded

from .rows import Kept, now

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(params=["autocommit", "transaction"])
def again(request: pytest.FixtureRequest) -> Any:
    """Send a message again, in a transaction or without one."""

    def send(message: Message) -> str:
        if request.param == "autocommit":
            return send_again(message).id
        with transaction.atomic():
            found = send_again(message).id
            assert OutboxMessage.objects.get(pk=message.id).dead_at is not None
        return found

    return send


def test_handler_of_a_failure_sends_the_dead_letter_again(kept: Kept, again: Any) -> None:
    kept.connect(ConnectionError(), retry=None)
    sent: list[str] = []

    def send(message: Message, **kwargs: Any) -> None:
        sent.append(again(message))

    receiver_failed.connect(send)
    dead = kept.send(number=7)
    kept.run(dead)
    receiver_failed.disconnect(send)
    assert sent == [dead.id]
    row = kept.row(dead)
    assert (row.attempt, row.dead_at, row.woken_at) == (0, None, None)
    assert row.due_at is not None
    assert row.due_at.timestamp() <= now()
    kept.function.does = None
    assert isinstance(kept.run(dead), Succeeded)
    assert kept.is_gone(dead)


def test_message_that_is_not_dead_stays_as_it_is(kept: Kept) -> None:
    kept.connect()
    wake_up = kept.send(number=7)
    before = OutboxMessage.objects.values().get()
    message = Message.from_wire(kept.row(wake_up).payload)
    with transaction.atomic():
        other = kept.send(number=8)
        send_again(message)
    assert OutboxMessage.objects.filter(pk=wake_up.id).values().get() == before
    assert not kept.is_gone(other)
