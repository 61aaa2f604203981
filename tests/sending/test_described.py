"""Which rows a message refers to stands in logs and monitors, from its send to its end."""

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject

from deferred_signals.message.wire import unpack
from deferred_signals.receivers import registry
from deferred_signals.sending.destinations import Destination, using_destination
from tests.app.models import Board, GiftOrder, Label, Line, Order, PaidOrder, Seat, Ticket
from tests.support.acting import QUICK, Acting, raising
from tests.support.broker import Broker
from tests.support.celery_apps import MakeCurrent
from tests.support.celery_messages import SendTogether, take_celery_messages
from tests.support.connected import Connected

if TYPE_CHECKING:
    from deferred_signals.message.outgoing import Outgoing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order() -> Order:
    return Order.objects.create(pk=7, status="swordfish")


def request_of(user: Any) -> Any:
    request = RequestFactory().get("/")
    request.user = user
    return request


VALUES: dict[str, Callable[[], Any]] = {
    "saved": Order.objects.create,
    "proxy": PaidOrder.objects.create,
    "child": GiftOrder.objects.create,
    "text key": lambda: Label.objects.create(name="fra'gile\n"),
    "uuid key": lambda: Ticket.objects.create(subject="x"),
    "composite key": lambda: Seat.objects.create(row="A", number=3),
    "unsaved": lambda: Order(status="x"),
    "unsaved with a key": lambda: Order(pk=9),
    "lazy": lambda: SimpleLazyObject(lambda: User.objects.create_user("ada")),
    "lazy anonymous": lambda: SimpleLazyObject(AnonymousUser),
    "in a list": lambda: [Order.objects.create(), {"of": Board.objects.create()}],
    "as a key": lambda: {Order.objects.create(): 1},
    "file": lambda: Line.objects.create(order=Order.objects.create(), document="7.pdf").document,
    "query set": lambda: Order.objects.filter(pk=Order.objects.create().pk),
    "request": lambda: request_of(User.objects.create_user("ada")),
    "request of nobody": lambda: request_of(AnonymousUser()),
    "model": lambda: Order,
    "number": lambda: 7,
    "text that looks like a row": lambda: '"$ref"',
    "dict that looks like a row": lambda: {"$ref": ["tests_app.Order", 7, "default"]},
    "secret": lambda: "swordfish",
}


@pytest.mark.parametrize("options", [{}, {"snapshot": True}], ids=["reference", "snapshot"])
@pytest.mark.parametrize("made", VALUES.values(), ids=VALUES)
def test_message_is_the_same_when_it_is_sent_and_when_it_arrives(
    signal: Signal, defer: Connected, made: Callable[[], Any], options: dict[str, Any]
) -> None:
    left: list[Outgoing] = []

    @defer(signal, **options)
    def receive(sender: object, x: object, **kwargs: object) -> None: ...

    with using_destination(Destination(left.extend, local=True)):
        signal.send(None, x=made(), y=1)
    (outgoing,) = left
    arrived = unpack(outgoing.payload)
    assert arrived == outgoing.message
    assert arrived.describe() == outgoing.message.describe() == repr(outgoing)


def test_captured_row_is_told_and_not_the_one_in_its_place(
    signal: Signal, defer: Connected, broker: Broker, order: Order
) -> None:
    other = Order.objects.create(pk=8)
    defer(signal, capture=lambda sender, **kwargs: {"order": other})(lambda sender, **kwargs: None)
    signal.send(None, order=order)
    (published,) = broker.take()
    assert published.headers["argsrepr"] == "(order=tests_app.Order 8)"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "(raw, using, instance=tests_app.Order 7, update_fields, created)"),
        ({"exclude": ("instance", "raw")}, "(using, update_fields, created)"),
        (
            {"carry": ("_by",)},
            "(raw, using, instance=[tests_app.Order 7, auth.User 3], update_fields, created)",
        ),
    ],
    ids=["all", "some", "carried"],
)
def test_monitors_see_which_row_was_saved(
    defer: Connected, broker: Broker, options: dict[str, Any], told: str
) -> None:
    defer(post_save, sender=Order, **options)(lambda sender, **kwargs: None)
    order = Order(pk=7, status="swordfish")
    vars(order)["_by"] = User.objects.create_user("ada", pk=3)
    order.save()
    (published,) = broker.take()
    shown = published.headers["argsrepr"]
    assert sorted(shown[1:-1].split(", ")) == sorted(told[1:-1].split(", "))
    assert "swordfish" not in json.dumps([published.headers, published.properties], default=str)


def test_monitors_see_which_row_was_deleted(defer: Connected, broker: Broker, order: Order) -> None:
    defer(post_delete, sender=Order)(lambda sender, **kwargs: None)
    order.delete()
    (published,) = broker.take()
    assert "instance=tests_app.Order 7" in published.headers["argsrepr"]


def test_copies_of_a_message_show_rows_of_their_own(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal)(lambda sender, **kwargs: None)
    orders = [Order.objects.create(pk=10**n) for n in range(12)]
    with transaction.atomic():
        for order in orders:
            signal.send(None, order=order)
    shown = [published.headers["argsrepr"] for published in broker.take()]
    assert shown == [f"(order=tests_app.Order {10**n})" for n in range(12)]


def test_chunk_shows_the_rows_of_its_calls(
    chunked: Acting, send_together: SendTogether, order: Order
) -> None:
    (celery_message,) = send_together(2, order=order)
    assert celery_message.headers["argsrepr"] == "(2 calls: number, order=tests_app.Order 7)"


def test_next_attempt_shows_its_row(
    signal: Signal, defer: Connected, broker: Broker, order: Order
) -> None:
    defer(signal, retry=QUICK)(Acting({1: raising(OSError())}))
    signal.send(order, number=1, order=order)
    (celery_message,) = take_celery_messages()
    celery_message.deliver()
    (again,) = take_celery_messages()
    told = "(number, order=tests_app.Order 7, sender=tests_app.Order 7)"
    assert again.headers["argsrepr"] == celery_message.headers["argsrepr"] == told


@pytest.mark.parametrize("attempts", [1, 2], ids=["failed", "retrying"])
def test_log_of_a_failure_says_whose_it_was(
    signal: Signal,
    defer: Connected,
    broker: Broker,
    order: Order,
    attempts: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    defer(signal, name="tests.receipt", retry=QUICK if attempts == 2 else None)(
        Acting({1: raising(OSError())})
    )
    signal.send(None, number=1, order=order, card="swordfish")
    (celery_message,) = take_celery_messages()
    with caplog.at_level(logging.INFO):
        celery_message.deliver()
    ours = [record for record in caplog.records if record.name == "deferred_signals"]
    (record,) = ours
    assert record.getMessage().startswith("Receiver tests.receipt failed")
    assert "tests.receipt(number, order=tests_app.Order 7, card)" in record.getMessage()
    assert "swordfish" not in record.getMessage()


def test_log_and_task_of_a_parked_message_say_whose_it_is(
    signal: Signal,
    defer: Connected,
    broker: Broker,
    order: Order,
    caplog: pytest.LogCaptureFixture,
) -> None:
    defer(signal, name="tests.receipt")(lambda sender, **kwargs: None)
    signal.send(None, order=order, card="swordfish")
    (celery_message,) = take_celery_messages()
    registry.discard(registry.get("tests.receipt"))
    celery_message.deliver()
    (parked,) = take_celery_messages()
    assert "tests.receipt(order=tests_app.Order 7, card)" in caplog.text
    assert parked.headers["argsrepr"] == "(tests.receipt(order=tests_app.Order 7, card))"
    assert "swordfish" not in caplog.text + str(parked.headers)


def test_log_of_a_message_that_is_lost_says_whose_it_was(
    signal: Signal,
    defer: Connected,
    order: Order,
    make_current: MakeCurrent,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def route(*args: object, **kwargs: object) -> None:
        raise LookupError("no route")

    make_current(broker_url="memory://", task_routes=[route])
    defer(signal, name="tests.receipt")(lambda sender, **kwargs: None)
    signal.send(None, order=order)
    (record,) = caplog.records
    assert "tests.receipt(order=tests_app.Order 7) is not known" in record.getMessage()
