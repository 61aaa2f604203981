"""`post_delete` and `pre_delete`: the receiver has the row that is gone."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete, pre_delete
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from tests.app.models import GiftOrder, Label, Line, Order, PaidOrder, Seat, Ticket
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.recorder import Recorder, listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


@pytest.fixture
def deleted(defer: Connected) -> Recorder:
    """Record the calls of a deferred receiver of all deletes."""
    return listen(defer, post_delete)


def test_receiver_has_the_fields_and_the_key_of_the_row(deleted: Recorder) -> None:
    order = Order.objects.create(status="paid", total=7)
    pk = order.pk
    with transaction.atomic():
        order.delete()
    row = deleted["instance"]
    assert (row.pk, row.status, row.total) == (pk, "paid", 7)
    assert row.placed_at == order.placed_at
    assert not Order.objects.exists()
    assert deleted["sender"] is Order
    assert deleted["using"] == row._state.db == "default"


@pytest.mark.parametrize("signal", [pre_delete, post_delete])
def test_values_are_those_in_memory_at_the_delete(signal: Any, defer: Connected) -> None:
    got = listen(defer, signal, sender=Order, opt_in=True)
    order = Order.objects.create()
    order.status = "never saved"
    order.delete()
    assert got["instance"].status == "never saved"
    assert not got["instance"]._state.adding


@pytest.mark.parametrize(
    "row",
    [
        Ticket(subject="help"),
        Label(name="blue"),
        Seat(row="A", number=7),
        PaidOrder(status="paid"),
    ],
    ids=lambda row: type(row).__name__,
)
def test_any_kind_of_key_is_kept(row: Any, deleted: Recorder) -> None:
    row.save()
    pk = row.pk
    row.delete()
    assert type(deleted["instance"]) is type(row)
    assert deleted["instance"].pk == pk


def test_child_table_and_its_parents_are_each_told_of(deleted: Recorder) -> None:
    gift = GiftOrder.objects.create(wish="socks", status="new")
    gift.delete()
    rows = {call["sender"]: call["instance"] for call in deleted.calls}
    assert rows.keys() == {GiftOrder, Order}
    assert (rows[GiftOrder].wish, rows[GiftOrder].status) == ("socks", "new")
    assert type(rows[Order]) is Order


def test_every_row_of_a_queryset_is_told_of(deleted: Recorder) -> None:
    for number in range(3):
        Order.objects.create(total=number)
    Order.objects.all().delete()
    assert sorted(call["instance"].total for call in deleted.calls) == [0, 1, 2]


@pytest.mark.parametrize("update_fields", [None, ["status"]])
def test_row_that_was_deleted_cannot_be_saved(
    update_fields: list[str] | None, deleted: Recorder
) -> None:
    Order.objects.create().delete()
    with pytest.raises(TypeError, match=r"was deleted .* cannot be saved"):
        deleted["instance"].save(update_fields=update_fields)
    assert not Order.objects.exists()


def test_row_that_was_deleted_cannot_be_saved_by_a_coroutine(deleted: Recorder) -> None:
    Order.objects.create().delete()
    with pytest.raises(TypeError, match="cannot be saved"):
        async_to_sync(deleted["instance"].asave)()


def test_origin_that_is_a_row_equals_the_instance(deleted: Recorder) -> None:
    Order.objects.create().delete()
    assert deleted["origin"] == deleted["instance"]


def test_origin_that_is_a_queryset_tells_its_model_and_why_it_is_empty(defer: Connected) -> None:
    origins: list[QuerySet[Order]] = []

    @defer(post_delete, sender=Order)
    def record(sender: object, origin: QuerySet[Order], **kwargs: object) -> None:
        origins.append(origin)

    Order.objects.create()
    Order.objects.all().delete()
    (origin,) = origins
    assert origin.model is Order
    for evaluate in (list, len, bool, lambda rows: rows[0]):
        with pytest.raises(TypeError, match="did not travel"):
            evaluate(origin)
    with pytest.raises(AttributeError, match="did not travel"):
        origin.filter(status="new")


def test_relation_whose_own_row_is_there_is_loaded(defer: Connected) -> None:
    status = []

    @defer(post_delete, sender=Line)
    def record(sender: object, instance: Line, **kwargs: object) -> None:
        status.append(instance.order.status)

    Line.objects.create(order=Order.objects.create(status="paid")).delete()
    assert status == ["paid"]


def test_relation_whose_row_is_gone_too_discards_the_message(
    defer: Connected, lifecycle: Lifecycle
) -> None:
    @defer(post_delete, sender=Line)
    def read(sender: object, instance: Line, **kwargs: object) -> None:
        assert instance.order_id
        assert instance.order.status

    order = Order.objects.create()
    Line.objects.create(order=order)
    with transaction.atomic():
        order.delete()
    assert lifecycle.names == ["receiver_started", "receiver_discarded"]


def test_other_row_that_the_receiver_does_not_find_fails_it(
    defer: Connected, lifecycle: Lifecycle, settings: Settings
) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": True, "EAGER_PROPAGATES": False}

    @defer(post_delete, sender=Line, retry=None)
    def read(sender: object, instance: Line, **kwargs: object) -> None:
        Order.objects.get(status="no such order")

    Line.objects.create(order=Order.objects.create()).delete()
    assert lifecycle.names == ["receiver_started", "receiver_failed"]


def test_relation_of_another_row_that_is_gone_fails_the_receiver(
    defer: Connected, lifecycle: Lifecycle, settings: Settings
) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": True, "EAGER_PROPAGATES": False}

    @defer(post_delete, sender=Line, retry=None)
    def read(sender: object, instance: Line, **kwargs: object) -> None:
        assert Line(order_id=0).order.status

    Line.objects.create(order=Order.objects.create()).delete()
    assert lifecycle.names == ["receiver_started", "receiver_failed"]


def test_relation_of_a_parent_that_is_gone_too_discards_the_message(
    defer: Connected, lifecycle: Lifecycle
) -> None:
    @defer(post_delete, sender=Order)
    def read(sender: object, instance: Order, **kwargs: object) -> None:
        assert instance.giftorder.wish

    with transaction.atomic():
        GiftOrder.objects.create().delete()
    assert lifecycle.names == ["receiver_started", "receiver_discarded"]


def test_carried_relation_whose_row_is_gone_too_discards_the_message(
    defer: Connected, lifecycle: Lifecycle
) -> None:
    listen(defer, post_delete, sender=Line, carry=["order.noted"])
    order = Order.objects.create()
    Line.objects.create(order=order)
    with transaction.atomic():
        line: Any = Line.objects.get()
        line.order.noted = 1
        line.delete()
        order.delete()
    assert lifecycle.names[-1] == "receiver_discarded"


def test_field_that_was_deferred_is_not_loaded_for_the_message(
    deleted: Recorder,
) -> None:
    Ticket.objects.create(subject="help")
    ticket = Ticket.objects.only("pk").get()
    with CaptureQueriesContext(connection) as queries:
        ticket.delete()
    assert not any("subject" in query["sql"] for query in queries)
    assert "subject" in deleted["instance"].get_deferred_fields()


def test_rolled_back_delete_is_not_told_of(deleted: Recorder) -> None:
    order = Order.objects.create()
    with transaction.atomic():
        order.delete()
        transaction.set_rollback(True)
    assert deleted.calls == []


def test_deleted_row_may_be_sent_on(deleted: Recorder, signal: Any, defer: Connected) -> None:
    got = listen(defer, signal)
    Order.objects.create(status="paid").delete()
    signal.send(None, row=deleted["instance"])
    assert got["row"].status == "paid"
