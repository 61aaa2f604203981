"""Saved instances travel as references, and are fetched when the receiver runs."""

from typing import Any

import pytest
from django.db import models, transaction
from django.db.models.signals import post_save
from django.dispatch import Signal

from deferred_signals import SerializationError
from deferred_signals.serialization import MissingRow, Reference
from tests.app.models import GiftOrder, Label, Order, PaidOrder, Ticket
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("eager"),
]


def label() -> Label:
    return Label.objects.create(name="blue")


def ticket() -> Ticket:
    return Ticket.objects.create(subject="help")


def order() -> Order:
    return Order.objects.create(status="new")


def gift() -> GiftOrder:
    return GiftOrder.objects.create(wish="socks")


def paid() -> PaidOrder:
    return PaidOrder.objects.create(status="paid")


def elsewhere() -> Order:
    return Order.objects.using("other").create(status="new")


class Nothing(models.QuerySet[Order]):
    """Of a manager that hides all rows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.query.set_empty()


class Got:
    """What a receiver of the test's signal gets."""

    def __init__(self) -> None:
        self.kwargs: dict[str, Any] = {}

    def __call__(self, sender: object, **kwargs: Any) -> None:
        self.kwargs = {**kwargs, "sender": sender}


@pytest.fixture
def got(signal: Signal, defer: Connected) -> Got:
    """Record the last call of a receiver."""
    found = Got()
    defer(signal)(found)
    return found


@pytest.mark.parametrize("make", [label, ticket, order, gift, paid, elsewhere])
def test_saved_instance_comes_back_as_an_equal_one_of_the_same_class(
    make: Any, signal: Signal, got: Got
) -> None:
    sent = make()
    signal.send(None, row=sent)
    row = got.kwargs["row"]
    assert row == sent
    assert type(row) is type(sent)
    assert row is not sent
    assert row._state.db == sent._state.db


def test_instance_is_the_row_as_it_is_when_the_receiver_runs(signal: Signal, got: Got) -> None:
    sent = order()
    sent.status = "changed in memory only"
    signal.send(None, row=sent)
    assert got.kwargs["row"].status == "new"


def test_instances_inside_containers_come_back_in_their_places(signal: Signal, got: Got) -> None:
    one, two = order(), order()
    signal.send(None, rows=[one, (two, {"key": one})], keyed={one: 1}, unordered={two})
    assert got.kwargs["rows"] == [one, (two, {"key": one})]
    assert got.kwargs["keyed"] == {one: 1}
    assert got.kwargs["unordered"] == {two}


def test_row_that_is_sent_twice_is_one_object(signal: Signal, got: Got) -> None:
    sent = order()
    signal.send(sent, one=sent, two=[sent])
    assert got.kwargs["sender"] is got.kwargs["one"] is got.kwargs["two"][0]


def test_row_hidden_from_the_default_manager_is_found(
    signal: Signal, got: Got, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = order()
    hidden = models.Manager.from_queryset(Nothing)()
    hidden.model = Order
    monkeypatch.setattr(Order, "objects", hidden)
    monkeypatch.setitem(Order._meta.__dict__, "default_manager", hidden)
    assert not Order._default_manager.exists()
    signal.send(None, row=sent)
    assert got.kwargs["row"] == sent


@pytest.mark.parametrize("model", [Label, Order, PaidOrder, GiftOrder, Order.labels.through])
def test_model_class_comes_back_as_itself(model: type, signal: Signal, got: Got) -> None:
    signal.send(model, model=model, nested=[{"of": model}])
    assert got.kwargs["sender"] is model
    assert got.kwargs["model"] is model
    assert got.kwargs["nested"] == [{"of": model}]


@pytest.mark.parametrize("row", [Order(), Order(pk=7), Ticket(), Label(name="blue")])
def test_unsaved_instance_arrives_unsaved(row: models.Model, signal: Signal, got: Got) -> None:
    signal.send(None, row=row)
    arrived = got.kwargs["row"]
    assert type(arrived) is type(row)
    assert arrived.pk == row.pk
    assert arrived._state.adding


def test_model_that_is_in_no_registry_is_refused(signal: Signal, got: Got) -> None:
    class Meta:
        app_label = "tests_app"
        apps = type(Order._meta.apps)()

    stranger = type("Stranger", (models.Model,), {"Meta": Meta, "__module__": __name__})
    with pytest.raises(SerializationError, match="app registry"):
        signal.send(None, model=stranger)


def delete_first(defer: Connected, signal: Signal) -> None:
    """Connect a receiver that is called before the others, and deletes the rows."""

    @defer(signal)
    def delete(sender: object, **kwargs: object) -> None:
        Order.objects.all().delete()


def test_model_signals_instance_that_is_gone_discards_the_message(
    defer: Connected, lifecycle: Lifecycle
) -> None:
    ran = []

    @defer(post_save, sender=Order)
    def delete(sender: object, **kwargs: object) -> None:
        Order.objects.all().delete()

    @defer(post_save, sender=Order, name="tests.late")
    def late(sender: object, **kwargs: object) -> None:
        ran.append(kwargs)

    with transaction.atomic():
        order()
    (told,) = lifecycle.of("receiver_discarded")
    assert told["sender"] == "tests.late"
    assert "does not exist" in told["reason"]
    assert ran == []


def test_other_reference_that_is_gone_fails_at_once(
    defer: Connected, signal: Signal, lifecycle: Lifecycle
) -> None:
    delete_first(defer, signal)
    defer(signal)(Got())
    with pytest.raises(MissingRow), transaction.atomic():
        signal.send(None, row=order())
    assert len(lifecycle.of("receiver_failed")) == 1
    assert lifecycle.of("receiver_retrying") == []


def test_missing_row_is_waited_for_where_asked(
    defer: Connected, signal: Signal, lifecycle: Lifecycle
) -> None:
    delete_first(defer, signal)
    defer(signal, missing="retry")(Got())
    with pytest.raises(MissingRow), transaction.atomic():
        signal.send(None, row=order())
    assert len(lifecycle.of("receiver_retrying")) == 2


def test_missing_row_is_named_without_its_values(signal: Signal) -> None:
    assert str(Reference(Order, 7, "other")) == "tests_app.Order with primary key 7 on 'other'"
