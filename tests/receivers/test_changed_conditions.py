"""What `changed(...)` may be asked about: values, keys, models; and where it is refused."""

from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.models.signals import post_init, post_save
from django.dispatch import Signal

from deferred_signals import InvalidReceiver, changed, receiver
from deferred_signals.receivers import registry
from tests.app.models import Board, GiftOrder, Label, Line, Order, PaidOrder, Run, Seat
from tests.support.connected import Connected
from tests.support.followed_models import Dated, Followed
from tests.support.recorder import Recorder, changes, listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        (changed("status", to="paid"), 1),
        (changed("status", to="sent"), 0),
        (changed("status", was="new"), 1),
        (changed("status", was="sent"), 0),
        (changed("status", was="new", to="paid"), 1),
        (changed("status", was="sent", to="paid"), 0),
        (changed("status", was=None), 0),
        (changed("status", "total"), 1),
        (changed("total"), 0),
    ],
    ids=repr,
)
def test_condition_may_ask_for_values(condition: Any, count: int, defer: Connected) -> None:
    order = Order.objects.create(status="new")
    recorder = listen(defer, post_save, sender=Order, when=condition)
    order = Order.objects.get(pk=order.pk)
    order.status = "paid"
    order.save()
    assert len(recorder.calls) == count


def test_every_changed_field_that_was_asked_about_is_told(defer: Connected) -> None:
    recorder = listen(defer, post_save, sender=Order, when=changed("status", "total"))
    pk = Order.objects.create(status="new", total=1).pk
    recorder.clear()
    order = Order.objects.get(pk=pk)
    order.total, order.status = 2, "paid"
    order.save()
    assert recorder["changes"]["status"] == ("new", "paid")
    assert recorder["changes"]["total"] == (1, 2)


def test_value_that_is_changed_in_place_has_changed(defer: Connected) -> None:
    recorder = listen(defer, post_save, sender=Run, when=changed("payload"))
    Run.log("x", a={"b": 1})
    recorder.clear()
    run = Run.objects.get()
    run.payload["a"]["b"] = 2
    run.save()
    assert changes(recorder) == [{"payload": ({"a": {"b": 1}}, {"a": {"b": 2}})}]
    run.payload["a"]["b"] = 3
    run.save()
    assert len(recorder.calls) == 2


@pytest.mark.parametrize("name", ["label", "label_id"])
def test_foreign_key_goes_by_both_its_names(name: str, defer: Connected) -> None:
    recorder = listen(defer, post_save, sender=Line, when=changed(name))
    a, b = Label.objects.create(name="a"), Label.objects.create(name="b")
    pk = Line.objects.create(order=Order.objects.create(), label=a).pk
    recorder.clear()
    line = Line.objects.get(pk=pk)
    line.label = b
    line.save(update_fields=["label"])
    line.label_id = None
    line.save(update_fields=["label_id"])
    assert changes(recorder) == [{name: ("a", "b")}, {name: ("b", None)}]


def test_field_of_a_parents_table_is_compared_in_the_child(defer: Connected) -> None:
    recorder = listen(defer, post_save, sender=GiftOrder, when=changed("status", "wish"))
    pk = GiftOrder.objects.create(status="new").pk
    recorder.clear()
    gift = GiftOrder.objects.get(pk=pk)
    gift.status = "paid"
    gift.save()
    assert changes(recorder) == [{"status": ("new", "paid")}]


def test_proxy_is_a_sender_of_its_own(defer: Connected) -> None:
    of_proxy = listen(defer, post_save, sender=PaidOrder, when=changed("status"))
    paid = PaidOrder.objects.get(pk=Order.objects.create().pk)
    paid.status = "paid"
    paid.save()
    assert changes(of_proxy) == [{"status": ("new", "paid")}]


def test_sender_may_be_named_before_it_is_loaded(defer: Connected) -> None:
    recorder = listen(defer, post_save, sender="tests_app.Order", when=changed("status"))
    order = Order.objects.get(pk=Order.objects.create().pk)
    recorder.clear()
    order.status = "paid"
    order.save()
    assert changes(recorder) == [{"status": ("new", "paid")}]


def test_fixture_is_not_deferred(of_status: Recorder) -> None:
    Order(status="new").save_base(raw=True)
    assert of_status.calls == []


def test_rows_of_other_models_are_not_tracked() -> None:
    board = Board.objects.create()
    assert not [name for name in vars(Board.objects.get(pk=board.pk)) if "deferred" in name]
    for signal in (post_init, post_save):
        assert not signal.has_listeners(Board)


def test_refused_receiver_leaves_nothing_tracked() -> None:
    def needs(sender: object, more: object, **kwargs: object) -> None: ...

    with pytest.raises(InvalidReceiver):
        receiver(post_save, sender=Board, deferred=True, when=changed("nothing"), name="tests.no")(
            needs
        )
    with pytest.raises(InvalidReceiver):
        receiver(
            post_save, sender=Board, deferred=True, when=changed("id"), schema=int, name="tests.no"
        )(needs)
    for signal in (post_init, post_save):
        assert not signal.has_listeners(Board)
    assert Board.refresh_from_db is models.Model.refresh_from_db


@pytest.mark.parametrize(
    ("signal", "options"),
    [
        (post_save, {}),
        (Signal(), {"sender": Order}),
        ([post_save, Signal()], {"sender": Order}),
    ],
    ids=["no sender", "another signal", "one of two"],
)
def test_condition_is_refused_where_no_save_of_one_model_is_watched(
    signal: Any, options: dict[str, Any]
) -> None:
    def receive(sender: object, **kwargs: object) -> None: ...

    with pytest.raises(InvalidReceiver, match="needs post_save and a sender"):
        receiver(signal, deferred=True, when=changed("status"), name="tests.no", **options)(receive)


@pytest.mark.parametrize(
    ("sender", "name", "reason"),
    [
        (Followed, "title", "the database computes from other fields"),
        (Order, "statuss", "Did you mean 'status'"),
        (Order, "labels", "many-to-many relation. m2m_changed tells"),
        (Order, "lines", "relation of another model's"),
        (Seat, "pk", "Name the fields that it is made of"),
        (Dated, "on", "abstract"),
        (Order.labels.through, "order", "no post_save for the rows of a many-to-many relation"),
        ("tests_app.Order", "labels", "many-to-many"),
        (object, "status", "a sender that is a model"),
        (Order(), "status", "a sender that is a model"),
    ],
    ids=str,
)
def test_what_cannot_be_followed_is_refused_with_the_reason(
    sender: Any, name: str, reason: str
) -> None:
    def receive(sender: object, **kwargs: object) -> None: ...

    with pytest.raises(InvalidReceiver, match=reason):
        receiver(post_save, sender=sender, deferred=True, when=changed(name), name="tests.refused")(
            receive
        )
    assert registry.find("tests.refused") is None


@pytest.mark.parametrize("fields", [(), ("",), (7,)])
def test_condition_needs_names_of_fields(fields: Any) -> None:
    with pytest.raises(InvalidReceiver, match="takes names of fields"):
        changed(*fields)


def test_conditions_of_the_same_words_are_equal() -> None:
    assert changed("status", to="paid") == changed("status", to="paid")
    assert changed("status", to="paid") != changed("status", was="paid")
    assert changed("status") != changed("status", to=None)
    assert repr(changed("a", "b", was=1, to=None)) == "changed('a', 'b', to=None, was=1)"
    assert apps.is_installed("tests.app")
