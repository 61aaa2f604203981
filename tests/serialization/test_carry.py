"""`carry=`: attributes of the instance that are no fields travel with it."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal

from deferred_signals import SerializationError
from tests.app.models import Label, Line, Order
from tests.support.connected import Connected
from tests.support.recorder import listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


def test_attribute_is_set_again(defer: Connected) -> None:
    got = listen(defer, post_save, sender=Order, carry=["old", "actor_id"])
    order: Any = Order()
    order.old, order.actor_id = {"status": ("a", {1})}, None
    order.save()
    assert got["instance"].old == {"status": ("a", {1})}
    assert got["instance"].actor_id is None
    assert got["instance"] == order


def test_value_is_that_of_the_send(defer: Connected) -> None:
    got = listen(defer, post_save, sender=Order, carry=["old"])
    order: Any = Order()
    with transaction.atomic():
        order.old = [1]
        order.save()
        order.old.append(2)
    assert got["instance"].old == [1]


def test_attribute_that_is_not_there_is_not_set(defer: Connected) -> None:
    got = listen(defer, post_save, sender=Order, carry=["old", "a.b.c"])
    Order.objects.create()
    assert not hasattr(got["instance"], "old")
    assert not hasattr(got["instance"], "a")


def test_attribute_that_was_not_named_stays_behind(defer: Connected) -> None:
    got = listen(defer, post_save, sender=Order)
    order: Any = Order()
    order.old = 1
    order.save()
    assert not hasattr(got["instance"], "old")


def test_path_leads_through_a_relation(defer: Connected) -> None:
    got = listen(defer, post_save, sender=Line, carry=["order.socket_id"])
    order: Any = Order.objects.create()
    order.socket_id = "7"
    Line.objects.create(order=order)
    assert got["instance"].order.socket_id == "7"
    assert got["instance"].order == order


def test_path_through_a_relation_that_is_empty_is_not_set(defer: Connected) -> None:
    got = listen(defer, post_save, sender=Line, carry=["label.socket_id"])
    Line.objects.create(order=Order.objects.create())
    assert got["instance"].label is None


def test_path_through_an_attribute_that_does_not_travel_is_not_set(defer: Connected) -> None:
    got = listen(defer, post_save, sender=Order, carry=["actor.name"])
    order: Any = Order()
    order.actor = SimpleNamespace(name="ada")
    order.save()
    assert len(got.calls) == 1


def test_carried_row_is_fetched(defer: Connected) -> None:
    got = listen(defer, post_save, sender=Order, carry=["mark", "marks"])
    label = Label.objects.create(name="a")
    order: Any = Order()
    order.mark, order.marks = label, [label, Label(name="unsaved")]
    order.save()
    assert got["instance"].mark == label
    assert got["instance"].marks == [label, Label(name="unsaved")]


@pytest.mark.parametrize("options", [{"snapshot": True}, {}], ids=["snapshot", "reference"])
def test_carried_attribute_goes_with_a_snapshot_too(
    options: dict[str, Any], defer: Connected
) -> None:
    got = listen(defer, post_save, sender=Order, carry=["old"], **options)
    order: Any = Order()
    order.old = 1
    order.save()
    assert got["instance"].old == 1


def test_carried_attribute_goes_with_a_deleted_row(defer: Connected) -> None:
    got = listen(defer, post_delete, sender=Order, carry=["by"])
    order: Any = Order.objects.create()
    order.by = "ada"
    order.delete()
    assert got["instance"].by == "ada"


def test_carry_is_of_the_instance_of_any_signal(signal: Signal, defer: Connected) -> None:
    got = listen(defer, signal, carry=["old"])
    order: Any = Order()
    order.old = 1
    signal.send(None, instance=order, other=order)
    assert got["instance"].old == 1
    assert not hasattr(got["other"], "old")


def test_attribute_that_cannot_travel_is_refused_by_its_path(defer: Connected) -> None:
    listen(defer, post_save, sender=Order, carry=["old"])
    order: Any = Order()
    order.old = {"a": [object()]}
    with pytest.raises(SerializationError, match=r"instance\.old\['a'\]\[0\] is of type .*object"):
        order.save()
