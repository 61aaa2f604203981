"""`coalesce=`: which sends of a transaction become one message, and what it tells."""

from typing import Any

import pytest
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.signals import request_finished
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import Signal

from deferred_signals import InvalidReceiver, changed, muted
from deferred_signals.testing import inline
from tests.app.models import Board, GiftOrder, Label, Order, PaidOrder, Seat, Ticket
from tests.support.broker import Broker, Published
from tests.support.connected import Connected, deferred
from tests.support.recorder import listen

pytestmark = pytest.mark.django_db(transaction=True)


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def by_key(sender: object, key: object, **kwargs: object) -> object:
    """Return the key that the sender gives."""
    return key


def the_only(published: list[Published]) -> dict[str, Any]:
    (message,) = published
    return message.kwargs


def test_sends_for_one_instance_become_one_message(defer: Connected, broker: Broker) -> None:
    defer(post_save, sender=Order, coalesce=True)(receive)
    with transaction.atomic():
        order = Order.objects.create(status="new")
        order.status = "paid"
        order.save(update_fields=["status"])
        Order.objects.get(pk=order.pk).save()
        assert broker.take() == []
    kwargs = the_only(broker.take())
    assert (kwargs["created"], kwargs["update_fields"]) == (True, None)


def test_fields_of_all_sends_are_told(defer: Connected, broker: Broker) -> None:
    order = Order.objects.create()
    defer(post_save, sender=Order, coalesce=True)(receive)
    with transaction.atomic():
        order.save(update_fields=["status"])
        order.save(update_fields=["status", "total"])
    kwargs = the_only(broker.take())
    assert kwargs["update_fields"] == {"status", "total"}
    assert kwargs["created"] is False


@pytest.mark.parametrize(
    ("through", "expected"), [("paid", ("new", "sent")), ("sent", ("new", "sent"))]
)
def test_changes_go_from_the_first_old_to_the_last_new_value(
    defer: Connected, broker: Broker, through: str, expected: tuple[str, str]
) -> None:
    order = Order.objects.create(status="new")
    defer(post_save, sender=Order, coalesce=True, when=changed("status", "total"))(receive)
    order = Order.objects.get()
    with transaction.atomic():
        order.status = through
        order.save()
        order.status = "sent"
        order.total = 7
        order.save()
    assert the_only(broker.take())["changes"] == {"status": expected, "total": (0, 7)}


def test_field_that_ends_where_it_began_is_told_with_the_same_value_twice(
    defer: Connected, broker: Broker
) -> None:
    order = Order.objects.create(status="new")
    defer(post_save, sender=Order, coalesce=True, when=changed("status"))(receive)
    order = Order.objects.get()
    with transaction.atomic():
        for status in ("paid", "new"):
            order.status = status
            order.save()
    assert the_only(broker.take())["changes"] == {"status": ("new", "new")}


def test_message_is_the_last_sends(signal: Signal, defer: Connected, broker: Broker) -> None:
    def queue(sender: object, number: int, **kwargs: object) -> str:
        return f"queue{number}"

    defer(signal, coalesce=by_key, queue=queue)(receive)
    with transaction.atomic():
        signal.send("first", key=1, number=1)
        (last,) = deferred(signal.send("last", key=1, number=2))
    assert broker.take("queue1") == []
    (published,) = broker.take("queue2")
    assert published.message.id == published.properties["correlation_id"] == last.id
    assert published.message.sender == "last"
    assert published.kwargs == {"key": 1, "number": 2}


def test_snapshot_is_the_last_sends(defer: Connected) -> None:
    recorder = listen(defer, post_save, sender=Order, coalesce=True, snapshot=True)
    with inline(), transaction.atomic():
        order = Order.objects.create(status="new")
        order.status = "paid"
        order.save()
    assert recorder["instance"].status == "paid"
    assert recorder["created"] is True


def test_instances_stay_apart(defer: Connected, broker: Broker) -> None:
    defer(post_save, sender=Order, coalesce=True)(receive)
    with transaction.atomic():
        for order in (Order.objects.create(), Order.objects.create()):
            order.save()
    assert [published.kwargs["created"] for published in broker.take()] == [True, True]


def test_instances_of_a_composite_key_stay_apart(defer: Connected, broker: Broker) -> None:
    defer(post_save, sender=Seat, coalesce=True)(receive)
    with transaction.atomic():
        for number in (1, 2, 1):
            Seat(row="A", number=number).save()
    assert len(broker.take()) == 2


def test_proxy_is_the_same_instance_and_a_child_is_receive_each(
    defer: Connected, broker: Broker
) -> None:
    defer(post_save, coalesce=True)(receive)
    with transaction.atomic():
        order = Order.objects.create()
        PaidOrder.objects.get(pk=order.pk).save()
        GiftOrder.objects.create()
    senders = [published.message.sender for published in broker.take()]
    assert senders == [{"$model": "tests_app.PaidOrder"}, {"$model": "tests_app.GiftOrder"}]


def test_receivers_stay_apart(defer: Connected, broker: Broker) -> None:
    defer(post_save, sender=Label, coalesce=True, name="tests.one")(receive)
    defer(post_save, sender=Label, coalesce=True, name="tests.two")(receive_too)
    defer(post_save, sender=Label, name="tests.each")(receive_each)
    with transaction.atomic():
        label = Label.objects.create(name="a")
        label.save()
    receivers = sorted(published.message.receiver for published in broker.take())
    assert receivers == ["tests.each", "tests.each", "tests.one", "tests.two"]


def receive_too(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def receive_each(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def test_values_are_those_of_each_send(signal: Signal, defer: Connected, broker: Broker) -> None:
    defer(signal, coalesce=by_key)(receive)
    numbers = {1}
    with transaction.atomic():
        for number in (2, 3):
            signal.send(None, key="k", update_fields=numbers, seen=[number])
            numbers.clear()
        numbers.add(4)
    (published,) = broker.take()
    assert published.kwargs["update_fields"] == {1}
    assert published.kwargs["seen"] == [3]


def test_signals_stay_apart(defer: Connected, broker: Broker) -> None:
    defer([post_save, post_delete], sender=Label, coalesce=True)(receive)
    with transaction.atomic():
        label = Label.objects.create(name="a")
        label.save()
        label.delete()
    signals = [published.message.signal.rpartition(".")[2] for published in broker.take()]
    assert signals == ["post_save", "post_delete"]


def test_keys_that_were_added_or_removed_are_all_told(defer: Connected, broker: Broker) -> None:
    order = Order.objects.create()
    one, two, three = (Label.objects.create(name=name) for name in "abc")
    defer(m2m_changed, sender=Order.labels.through, coalesce=True)(receive)
    with transaction.atomic():
        order.labels.add(one)
        order.labels.add(two)
        order.labels.remove(one)
        order.labels.clear()
        three.orders.add(order)
    told = [
        (kwargs["action"], kwargs["reverse"], kwargs["pk_set"])
        for kwargs in (published.kwargs for published in broker.take())
    ]
    assert told == [
        ("post_add", False, {"a", "b"}),
        ("post_remove", False, {"a"}),
        ("post_clear", False, {"b"}),
        ("post_add", True, {order.pk}),
    ]


def test_relations_of_equal_keys_stay_apart(defer: Connected, broker: Broker) -> None:
    defer(m2m_changed, coalesce=True)(receive)
    order, board = Order.objects.create(pk=1), Board.objects.create(pk=1)
    with transaction.atomic():
        order.labels.add(Label.objects.create(name="a"))
        board.tickets.add(Ticket.objects.create(subject="b"))
    assert len(broker.take()) == 2


def test_key_may_be_of_ones_own(signal: Signal, defer: Connected, broker: Broker) -> None:
    defer(signal, coalesce=by_key)(receive)
    with transaction.atomic():
        for number, key in enumerate(["a", ("b", 1), "a", ("b", 1), "c"]):
            signal.send(None, key=key, number=number)
    assert [published.kwargs["number"] for published in broker.take()] == [2, 3, 4]


def test_send_whose_key_is_none_stays_alone(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, coalesce=by_key)(receive)
    with transaction.atomic():
        for _ in range(2):
            signal.send(None, key=None)
    assert len(broker.take()) == 2


@pytest.mark.parametrize("kwargs", [{}, {"instance": None}, {"instance": "no row"}])
def test_send_without_an_instance_stays_alone(
    signal: Signal, defer: Connected, broker: Broker, kwargs: dict[str, Any]
) -> None:
    defer(signal, coalesce=True)(receive)
    with transaction.atomic():
        for _ in range(2):
            signal.send(None, **kwargs)
    assert len(broker.take()) == 2


def test_send_of_an_unsaved_instance_stays_alone(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, coalesce=True)(receive)
    with transaction.atomic():
        for instance in (Order(), Order(), Seat(row="A"), Seat(row="A")):
            signal.send(None, instance=instance)
    assert len(broker.take()) == 4


def test_key_that_cannot_be_hashed_is_an_error_that_names_the_receiver(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, coalesce=by_key, name="tests.keyed")(receive)
    with transaction.atomic():
        with pytest.raises(InvalidReceiver, match=r"coalesce= of 'tests\.keyed' .*got list\.$"):
            signal.send(None, key=["a"])
        signal.send(None, key="b")
    assert the_only(broker.take()) == {"key": "b"}


def test_send_that_was_held_back_is_not_merged(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    def wanted(sender: object, number: int, **kwargs: object) -> bool:
        return number != 2

    defer(signal, coalesce=by_key, when=wanted)(receive)
    with transaction.atomic():
        signal.send(None, key="a", number=1, update_fields={"one"})
        signal.send(None, key="a", number=2, update_fields={"two"})
        with muted(signal):
            signal.send(None, key="a", number=3, update_fields={"three"})
    assert the_only(broker.take()) == {"key": "a", "number": 1, "update_fields": {"one"}}


def test_messages_that_are_too_large_together_stay_apart(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, coalesce=by_key)(receive)
    large = "x" * 150_000
    with transaction.atomic():
        signal.send(None, key="a", changes={"text": ("", large)})
        signal.send(None, key="a", changes={"note": ("", large)})
    changes = [set(published.kwargs["changes"]) for published in broker.take()]
    assert changes == [{"text"}, {"note"}]


def test_signal_that_waits_for_no_commit_is_refused(defer: Connected) -> None:
    with pytest.raises(InvalidReceiver, match="user_login_failed does not wait for a commit"):
        defer(user_login_failed, coalesce=by_key)(receive)


@pytest.mark.parametrize("signal", [user_logged_in, request_finished])
def test_built_in_signal_without_an_instance_wants_a_callable(
    defer: Connected, signal: Signal
) -> None:
    with pytest.raises(InvalidReceiver, match=r"has none\. Give coalesce= a callable"):
        defer(signal, coalesce=True, opt_in=True)(receive)
    defer(signal, coalesce=lambda sender, **kwargs: str(sender), opt_in=True)(receive)
