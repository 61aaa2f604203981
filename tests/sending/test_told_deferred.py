"""`message_deferred` tells of each message before its commit."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import post_save
from django.db.transaction import TransactionManagementError
from django.dispatch import Signal

from deferred_signals import send_again
from deferred_signals.events import message_deferred
from tests.app.models import Order, Run
from tests.support.broker import Broker
from tests.support.connected import Connected, deferred
from tests.support.lifecycle import Lifecycle
from tests.support.numbers import Numbers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listen() -> Iterator[Callable[[Callable[..., Any]], None]]:
    """Connect a handler of `message_deferred` for the length of a test."""
    connected = []

    def listen(handler: Callable[..., Any]) -> None:
        message_deferred.connect(handler)
        connected.append(handler)

    yield listen
    for handler in connected:
        message_deferred.disconnect(handler)


def test_message_is_told_of_inside_the_transaction_and_before_it_is_published(
    numbers: Numbers, lifecycle: Lifecycle
) -> None:
    with transaction.atomic():
        numbers.send(1)
        assert [name for name, _ in lifecycle.seen] == ["message_deferred"]
    numbers.send(2)  # in autocommit it is published at once
    assert [name for name, _ in lifecycle.seen] == ["message_deferred", "message_published"] * 2
    (first, _second) = lifecycle.of("message_deferred")
    assert (first["message"].kwargs, first["durable"]) == ({"number": 1}, False)
    assert first["sender"] == first["message"].receiver


def test_message_of_a_rollback_was_told_of_all_the_same(
    numbers: Numbers, lifecycle: Lifecycle
) -> None:
    with transaction.atomic():
        numbers.send(1)
        transaction.set_rollback(True)
    assert [name for name, _ in lifecycle.seen] == ["message_deferred"]


def test_message_that_no_commit_can_release_is_not_told_of(
    numbers: Numbers, lifecycle: Lifecycle
) -> None:
    transaction.set_autocommit(False)
    try:
        with pytest.raises(TransactionManagementError):
            numbers.send(1)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert lifecycle.seen == []


def test_message_that_is_sent_again_is_told_of_under_its_id(
    signal: Signal, defer: Connected, broker: Broker, lifecycle: Lifecycle
) -> None:
    defer(signal)(lambda sender, **kwargs: None)
    (first,) = deferred(signal.send(None))
    send_again(broker.take()[0].message)
    assert [told["message"].id for told in lifecycle.of("message_deferred")] == [first.id] * 2


def test_handler_that_defers_is_not_told_of_that(
    numbers: Numbers, defer: Connected, broker: Broker, listen: Callable[..., None]
) -> None:
    defer(post_save, sender=Run, name="tests.of_the_note")(lambda sender, **kwargs: None)
    told = []

    def note(sender: str, **kwargs: object) -> None:
        told.append(sender)
        Run.log("note")

    listen(note)
    numbers.send(1)
    assert len(told) == Run.objects.count() == 1
    assert "tests.of_the_note" in [published.task for published in broker.take()]


def test_handler_that_fails_does_not_break_the_sender(
    defer: Connected, broker: Broker, listen: Callable[..., None]
) -> None:
    defer(post_save, sender=Order)(lambda sender, **kwargs: None)

    def fail(**kwargs: object) -> None:
        raise LookupError

    listen(fail)
    Order.objects.create()
    assert len(broker.take()) == 1
