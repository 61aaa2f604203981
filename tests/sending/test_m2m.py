"""`m2m_changed`: the actions that are deferred, and what they carry."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db.models.signals import m2m_changed, post_save
from django.dispatch import Signal

from tests.app.models import Label, Order
from tests.support.broker import Broker
from tests.support.connected import Connected

pytestmark = pytest.mark.django_db(transaction=True)

THROUGH = Order.labels.through


def receive(sender: type, **kwargs: object) -> None:
    """Never runs here."""


def change(order: Order) -> None:
    label = Label.objects.create(name="new")
    order.labels.add(label)
    order.labels.remove(label)
    order.labels.add(label)
    order.labels.clear()


def test_actions_after_the_fact_are_deferred(defer: Connected, broker: Broker) -> None:
    defer(m2m_changed, sender=THROUGH)(receive)
    change(Order.objects.create())
    actions = [published.kwargs["action"] for published in broker.take()]
    assert actions == ["post_add", "post_remove", "post_add", "post_clear"]


def test_other_actions_are_deferred_where_asked_for(defer: Connected, broker: Broker) -> None:
    defer(m2m_changed, sender=THROUGH, actions=["pre_clear"])(receive)
    change(Order.objects.create())
    actions = [published.kwargs["action"] for published in broker.take()]
    assert actions == ["pre_clear"]


@pytest.mark.usefixtures("eager")
def test_receiver_gets_the_real_objects(defer: Connected) -> None:
    got: dict[str, object] = {}

    @defer(m2m_changed, sender=THROUGH, actions=["post_add"])
    def record(sender: type, **kwargs: object) -> None:
        got.update(kwargs, sender=sender)

    order = Order.objects.create()
    order.labels.add(Label.objects.create(name="new"))
    assert got["sender"] is THROUGH
    assert got["signal"] is m2m_changed
    assert got["model"] is Label
    assert got["instance"] == order
    assert got["pk_set"] == {"new"}
    assert (got["action"], got["reverse"], got["using"]) == ("post_add", False, "default")


@pytest.mark.usefixtures("eager")
def test_other_end_of_the_relation_says_so(defer: Connected) -> None:
    got: dict[str, object] = {}

    @defer(m2m_changed, sender=THROUGH)
    def record(sender: type, **kwargs: object) -> None:
        got.update(kwargs)

    order, label = Order.objects.create(), Label.objects.create(name="new")
    label.orders.add(order)
    assert got["reverse"] is True
    assert got["model"] is Order
    assert got["pk_set"] == {order.pk}


def test_custom_signal_may_have_an_action_of_its_own(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal)(receive)
    signal.send(None, action="vote", pk_set={1})
    assert len(broker.take()) == 1


@pytest.fixture
def fixture(tmp_path: Path) -> str:
    """Write a fixture with an order, and a label that the order has."""
    path = tmp_path / "orders.json"
    rows = [
        {"model": Label._meta.label_lower, "pk": "old", "fields": {}},
        {"model": Order._meta.label_lower, "pk": 1, "fields": {"labels": ["old"]}},
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("raw", "published"), [(False, 0), (True, 1)])
def test_relations_of_fixtures_are_deferred_where_asked_for(
    raw: bool, published: int, fixture: str, defer: Connected, broker: Broker
) -> None:
    defer(m2m_changed, sender=THROUGH, raw=raw)(receive)
    call_command("loaddata", fixture, verbosity=0)
    assert list(Order.objects.get().labels.values_list("name", flat=True)) == ["old"]
    assert len(broker.take()) == published


def test_change_after_a_fixture_was_loaded_is_deferred(
    fixture: str, defer: Connected, broker: Broker
) -> None:
    defer(m2m_changed, sender=THROUGH)(receive)
    for loaded in serializers.deserialize("json", Path(fixture).read_text(encoding="utf-8")):
        loaded.save()
    order: Any = loaded.object
    order.labels.clear()
    assert [published.kwargs["action"] for published in broker.take()] == ["post_clear"]


def test_change_that_other_code_makes_while_a_fixture_is_loaded_is_deferred(
    fixture: str, defer: Connected, broker: Broker
) -> None:
    def add(sender: object, instance: Order, **kwargs: Any) -> None:
        other.labels.add(Label.objects.create(name="new"))

    other = Order.objects.create()
    defer(m2m_changed, sender=THROUGH)(receive)
    post_save.connect(add, sender=Order)
    try:
        call_command("loaddata", fixture, verbosity=0)
    finally:
        post_save.disconnect(add, sender=Order)
    assert [published.kwargs["pk_set"] for published in broker.take()] == [{"new"}]
