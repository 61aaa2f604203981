"""Instances that travel as their field values: by `snapshot=`, and unsaved ones always."""

from collections import OrderedDict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F, Model, TextChoices, Value
from django.db.models.functions import Lower
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from deferred_signals import SerializationError
from tests.app.models import GiftOrder, Label, Line, Order, PaidOrder, Run, Seat, Ticket
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.recorder import Recorder, listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


class Colour(TextChoices):
    RED = "red"


def line() -> Line:
    return Line(order=Order.objects.create(), label=Label.objects.create(name="a"), document="x")


def test_snapshot_is_the_row_as_it_was_at_the_send(signal: Signal, defer: Connected) -> None:
    recorder = listen(defer, signal, snapshot=True)
    order = Order.objects.create(status="new")
    with transaction.atomic():
        order.status = "only in memory"
        signal.send(None, order=order)
        Order.objects.update(status="newer")
    assert recorder["order"].status == "only in memory"
    assert recorder["order"] == order
    assert not recorder["order"]._state.adding


@pytest.mark.parametrize(
    "make",
    [
        lambda: Order(status="paid"),
        lambda: PaidOrder(status="paid"),
        lambda: GiftOrder(wish="socks", status="new"),
        lambda: Ticket(subject="help"),
        lambda: Seat(row="A", number=7, taken=True),
        lambda: Run(receiver="x", payload={"$set": [1, None], "a": {"b": 1.5}}),
        line,
    ],
    ids=["plain", "proxy", "child", "uuid", "composite", "json", "relations and file"],
)
@pytest.mark.parametrize("saved", [True, False], ids=["saved", "unsaved"])
def test_every_field_of_any_model_travels(
    make: Any, saved: bool, signal: Signal, defer: Connected
) -> None:
    recorder = listen(defer, signal, snapshot=True)
    row: Model = make()
    if saved:
        row.save()
    signal.send(None, row=row)
    back = recorder["row"]
    assert type(back) is type(row)
    assert back.pk == row.pk
    assert back._state.adding is not saved
    assert back._state.db == row._state.db
    for field in row._meta.concrete_fields:
        assert getattr(back, field.attname) == getattr(row, field.attname)
        assert type(getattr(back, field.attname)) is type(getattr(row, field.attname))


def test_only_the_named_kwargs_travel_as_snapshots(signal: Signal, defer: Connected) -> None:
    recorder = listen(defer, signal, snapshot=("one",))
    order = Order.objects.create(status="new")
    order.status = "only in memory"
    signal.send(None, one=order, other=order)
    assert recorder["one"].status == "only in memory"
    assert recorder["other"].status == "new"


@pytest.mark.parametrize("place", ["list", "keys", "captured"])
def test_snapshot_holds_wherever_the_instance_is(
    place: str, signal: Signal, defer: Connected
) -> None:
    order = Order.objects.create(status="new")
    order.status = "only in memory"

    def capture(sender: object, **kwargs: object) -> dict[str, Any]:
        return {"captured": [order]}

    recorder = listen(defer, signal, snapshot=True, capture=capture)
    signal.send(None, list=[order], keys={order: 1})
    assert next(iter(recorder[place])).status == "only in memory"


def test_snapshot_is_not_saved_back_by_mistake(signal: Signal, defer: Connected) -> None:
    recorder = listen(defer, signal, snapshot=True)
    order = Order.objects.create(status="old")
    signal.send(None, order=order)
    Order.objects.update(status="new", total=7)
    snapshot = recorder["order"]
    with pytest.raises(TypeError, match=r"save\(update_fields=\[...\]\)"):
        snapshot.save()
    with pytest.raises(TypeError, match="update_fields"):
        snapshot.save(using="default")
    snapshot.status = "written on purpose"
    snapshot.save(update_fields=["status"])
    order.refresh_from_db()
    assert (order.status, order.total) == ("written on purpose", Decimal(7))


def test_snapshot_can_be_refreshed(signal: Signal, defer: Connected) -> None:
    recorder = listen(defer, signal, snapshot=True)
    signal.send(None, order=Order.objects.create(status="old"))
    Order.objects.update(status="new")
    recorder["order"].refresh_from_db()
    assert recorder["order"].status == "new"


def test_unsaved_instance_can_be_saved(signal: Signal, got: Recorder) -> None:
    signal.send(None, order=Order(status="new"))
    got["order"].save()
    assert Order.objects.get().status == "new"


EXPRESSIONS = [F("total") + 1, Value(3), Lower("status")]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_field_with_an_expression_is_loaded_where_it_is_asked_for(
    expression: Any, signal: Signal, defer: Connected
) -> None:
    recorder = listen(defer, signal, snapshot=True)
    order = Order.objects.create(total=7)
    order.total = expression
    signal.send(None, order=order)
    assert recorder["order"].get_deferred_fields() == {"total"}
    assert recorder["order"].total == 7


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_expression_of_a_row_that_was_never_saved_is_refused(
    expression: Any, signal: Signal, got: Recorder
) -> None:
    with pytest.raises(SerializationError, match=r"order\.total .* only the database can resolve"):
        signal.send(None, order=Order(total=expression))
    assert got.calls == []


def test_reference_to_a_row_with_an_expression_is_fine(defer: Connected) -> None:
    order = Order.objects.create(total=1)
    recorder = listen(defer, post_save, sender=Order)
    order.total = F("total") + 1
    order.save()
    assert recorder["instance"].total == 2


def test_fields_that_were_deferred_are_not_loaded_and_are_deferred_again(
    signal: Signal, defer: Connected, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    recorder = listen(defer, signal, snapshot=True)
    Order.objects.create(total=7)
    order = Order.objects.only("status").get()
    with CaptureQueriesContext(connection) as queries:
        signal.send(None, order=order)
    assert [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]] == []
    back = recorder["order"]
    assert back.get_deferred_fields() == {"total", "placed_at"}
    with django_assert_num_queries(1):
        assert back.total == 7


@pytest.mark.django_db(transaction=True)
def test_excluded_fields_are_nowhere_in_the_message(
    signal: Signal, defer: Connected, broker: Broker, settings: Any
) -> None:
    settings.DEFERRED_SIGNALS = {}
    unsaved = Order(status="hush")

    def capture(sender: object, **kwargs: object) -> dict[str, Any]:
        return {"captured": unsaved}

    listen(defer, signal, snapshot=True, exclude_fields=("status",), capture=capture)
    signal.send(None, one=unsaved, nested=[unsaved, {"a": (unsaved,)}])
    (published,) = broker.take()
    assert "hush" not in published.message.to_wire()
    assert "total" in published.message.to_wire()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("saved", [True, False], ids=["saved", "unsaved"])
def test_password_of_a_user_never_travels(
    saved: bool, signal: Signal, defer: Connected, broker: Broker, settings: Any
) -> None:
    settings.DEFERRED_SIGNALS = {"SENSITIVE": ()}
    listen(defer, signal, snapshot=True)
    user = User(username="ada", password="hush")
    if saved:
        user.save()
    signal.send(None, user=user, users=[User(username="eve", password="hush")])
    (published,) = broker.take()
    assert "ada" in published.message.to_wire()
    assert "hush" not in published.message.to_wire()


def test_password_that_did_not_travel_is_loaded_when_it_is_asked_for(
    signal: Signal, defer: Connected
) -> None:
    recorder = listen(defer, signal, snapshot=True)
    signal.send(None, user=User.objects.create(username="ada", password="hash"))
    assert recorder["user"].get_deferred_fields() == {"password"}
    assert recorder["user"].password == "hash"


def test_json_field_keeps_what_looks_like_a_tag(signal: Signal, got: Recorder) -> None:
    signal.send(None, run=Run(receiver="x", payload={"$set": [1], "b": {"$": 1}}))
    assert got["run"].payload == {"$set": [1], "b": {"$": 1}}


def test_json_field_with_what_cannot_travel_is_refused(signal: Signal, got: Recorder) -> None:
    with pytest.raises(SerializationError, match=r"run\.payload.*exclude_fields=\('payload',\)"):
        signal.send(None, run=Run(receiver="x", payload={"a": object()}))
    assert got.calls == []


def test_json_field_may_hold_what_its_encoder_makes_json(signal: Signal, got: Recorder) -> None:
    payload = OrderedDict({"$set": [1], "at": {"day": date(2026, 1, 31)}, "by": Colour.RED})
    signal.send(None, run=Run(receiver="x", payload=payload))
    assert got["run"].payload == {**payload, "by": "red"}


@pytest.mark.parametrize(
    "keys",
    [{Ticket(): 1}, {Ticket()}, {(Label(name="x"), 1): 2}, frozenset({Order(pk=7)})],
    ids=["key", "set", "in a tuple", "frozenset"],
)
def test_unsaved_instances_with_a_key_may_be_keys(keys: Any, signal: Signal, got: Recorder) -> None:
    signal.send(None, keys=keys)
    assert got["keys"] == keys
