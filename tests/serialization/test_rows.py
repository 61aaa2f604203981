"""References to rows with any key, inside anything; QuerySets and files."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.fields.files import FieldFile
from django.dispatch import Signal
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from deferred_signals import SerializationError
from tests.app.models import GiftOrder, Label, Line, Order, PaidOrder, Seat, Ticket
from tests.support.connected import Connected
from tests.support.recorder import Recorder, listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


@dataclass
class Basket:
    orders: list[Order]
    label: Label | None = None


@dataclass(frozen=True)
class Key:
    order: Order


class Pair(NamedTuple):
    order: Order
    number: int


class Got:
    """A receiver that declares types, and asks for rows by name."""

    def __init__(self) -> None:
        self.kwargs: dict[str, Any] = {}

    def receive(self, sender: object, rows: Any = None, values: "list[Basket | Pair | Key] | None" = None,
                **kwargs: Any) -> None:  # fmt: skip
        self.kwargs = {**kwargs, "rows": rows, "values": values}


@pytest.fixture
def asking(signal: Signal, defer: Connected) -> Got:
    made = Got()
    defer(signal)(made.receive)
    return made


def test_row_inside_a_dataclass_or_named_tuple_is_fetched(signal: Signal, asking: Got) -> None:
    order, label = Order.objects.create(), Label.objects.create(name="a")
    signal.send(None, values=[Basket([order], label), Pair(order, 7), {Key(order): Key(order)}])
    basket, pair, keys = asking.kwargs["values"]
    assert basket == Basket([order], label)
    assert pair == Pair(order, 7)
    assert type(pair) is Pair
    assert keys == {Key(order): Key(order)}


def test_row_of_a_composite_key_is_fetched(signal: Signal, got: Recorder) -> None:
    seat = Seat.objects.create(row="A", number=7, taken=True)
    signal.send(seat, seat=seat, keyed={seat: [seat]})
    assert got["sender"] == got["seat"] == seat
    assert got["seat"].taken
    assert got["keyed"] == {seat: [seat]}


def test_row_of_a_composite_key_that_is_gone_fails(signal: Signal, defer: Connected) -> None:
    recorder = listen(defer, signal, missing="discard")
    with transaction.atomic():
        seat = Seat.objects.create(row="A", number=7)
        signal.send(None, seat=seat)
        Seat.objects.all().delete()
    assert recorder.calls == []


def test_deferred_fields_are_not_loaded_for_a_reference(signal: Signal, got: Recorder) -> None:
    Order.objects.create()
    order = Order.objects.only("pk").get()
    with CaptureQueriesContext(connection) as queries:
        signal.send(None, order=order)
    (fetch,) = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert "placed_at" in fetch  # the receiver's own
    assert order.get_deferred_fields()


@pytest.mark.parametrize(
    "make",
    [
        Order.objects.create,
        PaidOrder.objects.create,
        GiftOrder.objects.create,
        Ticket.objects.create,
        lambda: Label.objects.create(name="a"),
        lambda: Seat.objects.create(row="A", number=7),
    ],
    ids=["int", "proxy", "child", "uuid", "text", "composite"],
)
def test_queryset_that_is_asked_for_by_name_has_its_rows(
    make: Any, signal: Signal, asking: Got
) -> None:
    row = make()
    signal.send(None, rows=type(row).objects.all())
    rows = asking.kwargs["rows"]
    assert isinstance(rows, QuerySet)
    assert rows.model is type(row)
    assert list(rows) == [row]


def test_queryset_is_of_the_rows_at_the_send(signal: Signal, asking: Got) -> None:
    first = Order.objects.create()
    with transaction.atomic():
        signal.send(None, rows=Order.objects.all())
        Order.objects.create()
    assert list(asking.kwargs["rows"]) == [first]


def test_slice_and_none_of_a_queryset_travel(signal: Signal, asking: Got) -> None:
    orders = [Order.objects.create() for _ in range(3)]
    signal.send(None, rows=Order.objects.order_by("pk")[1:])
    assert set(asking.kwargs["rows"]) == set(orders[1:])
    signal.send(None, rows=Order.objects.none())
    assert list(asking.kwargs["rows"]) == []


def test_queryset_of_values_is_refused(signal: Signal, asking: Got) -> None:
    with pytest.raises(SerializationError, match="values"):
        signal.send(None, rows=Order.objects.values("status"))


def test_queryset_that_is_not_asked_for_costs_no_query_and_explains_itself(
    signal: Signal, asking: Got
) -> None:
    with CaptureQueriesContext(connection) as queries:
        signal.send(None, others=Order.objects.all(), nested=[Order.objects.all()])
    assert not any("order" in query["sql"] for query in queries)
    others = asking.kwargs["others"]
    assert others.model is Order
    assert repr(others) == "<RowsNotSent of tests_app.Order>"
    for stand_in in (others, asking.kwargs["nested"][0]):
        with pytest.raises(TypeError, match="if its signature names the argument"):
            list(stand_in)


def test_queryset_that_capture_gives_travels_where_it_is_asked_for(
    signal: Signal, defer: Connected
) -> None:
    order = Order.objects.create()
    made = Got()
    defer(signal, capture=lambda sender, **kwargs: {"rows": Order.objects.all()})(made.receive)
    signal.send(None)
    assert list(made.kwargs["rows"]) == [order]


@pytest.mark.parametrize("saved", [True, False], ids=["saved", "unsaved"])
def test_file_comes_back_with_its_row_field_and_name(
    saved: bool, signal: Signal, got: Recorder
) -> None:
    line = Line(order=Order.objects.create(), document="a/☃.txt")
    if saved:
        line.save()
    line.document.name = "as sent"
    signal.send(None, file=line.document, nested=[{"file": line.document}])
    file = got["file"]
    assert isinstance(file, FieldFile)
    assert file.name == "as sent"
    assert (file.field.name, file.field.model) == ("document", Line)
    assert file.instance.pk == line.pk
    assert got["nested"][0]["file"] == file


def test_empty_file_comes_back_empty(signal: Signal, got: Recorder) -> None:
    line = Line.objects.create(order=Order.objects.create())
    signal.send(None, file=line.document)
    assert not got["file"]


def test_file_may_be_a_key(signal: Signal, got: Recorder) -> None:
    line = Line.objects.create(order=Order.objects.create(), document="x")
    signal.send(None, files={line.document: 1})
    assert got["files"] == {line.document: 1}


def test_request_inside_a_container_travels_with_its_user(
    signal: Signal, got: Recorder, rf: RequestFactory, admin_user: Any
) -> None:
    request, other = rf.get("/a/"), rf.get("/b/")
    request.user, other.user = admin_user, AnonymousUser()
    signal.send(None, requests=[request, {"other": other}])
    assert got["requests"][0].user == admin_user
    assert got["requests"][1]["other"].user == AnonymousUser()


def test_request_as_a_key_travels_or_is_refused_at_the_send(
    signal: Signal, got: Recorder, rf: RequestFactory
) -> None:
    try:
        signal.send(None, keyed={rf.get("/a/"): 1})
    except SerializationError:
        return
    assert got.calls
