"""`m2m_changed`: keys of every type, of both ends, and of what was cleared."""

from typing import Any
from uuid import UUID

import pytest
from django.db.models.signals import m2m_changed
from pytest_django import DjangoAssertNumQueries

from tests.app.models import Board, GiftOrder, Label, Order, Ticket
from tests.support.connected import Connected
from tests.support.recorder import Recorder, listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


@pytest.fixture
def changes(defer: Connected) -> Recorder:
    """Record the calls of a deferred receiver of all actions after the fact."""
    return listen(defer, m2m_changed)


def told(changes: Recorder) -> list[tuple[str, Any]]:
    return [(call["action"], call["pk_set"]) for call in changes.calls]


def test_keys_that_are_uuids_stay_uuids(changes: Recorder) -> None:
    board, ticket = Board.objects.create(), Ticket.objects.create()
    board.tickets.add(ticket)
    board.tickets.remove(ticket)
    assert told(changes) == [("post_add", {ticket.pk}), ("post_remove", {ticket.pk})]
    assert {type(key) for call in changes.calls for key in call["pk_set"]} == {UUID}


def test_keys_that_are_texts_stay_texts(changes: Recorder) -> None:
    order = Order.objects.create()
    order.labels.set([Label.objects.create(name="1"), Label.objects.create(name="$set")])
    assert told(changes) == [("post_add", {"1", "$set"})]


def test_keys_of_the_other_end_are_ints(changes: Recorder) -> None:
    label, orders = Label.objects.create(name="blue"), [Order.objects.create() for _ in "ab"]
    label.orders.add(*orders)
    assert told(changes) == [("post_add", {order.pk for order in orders})]
    assert changes["instance"] == label
    assert changes["reverse"] is True
    assert changes["model"] is Order


def test_cleared_keys_are_those_that_were_there(changes: Recorder) -> None:
    order = Order.objects.create()
    order.labels.add(Label.objects.create(name="a"), Label.objects.create(name="b"))
    Order.objects.create().labels.add(Label.objects.create(name="another order's"))
    changes.clear()
    order.labels.clear()
    assert told(changes) == [("post_clear", {"a", "b"})]


def test_cleared_keys_of_the_other_end_are_those_that_were_there(changes: Recorder) -> None:
    label, order = Label.objects.create(name="a"), Order.objects.create()
    label.orders.add(order)
    Order.objects.create().labels.add(Label.objects.create(name="b"))
    changes.clear()
    label.orders.clear()
    assert told(changes) == [("post_clear", {order.pk})]


def test_cleared_uuids_of_both_ends_are_those_that_were_there(changes: Recorder) -> None:
    board, ticket = Board.objects.create(), Ticket.objects.create()
    board.tickets.add(ticket)
    changes.clear()
    ticket.boards.clear()
    board.tickets.add(ticket)
    board.tickets.clear()
    assert [told(changes)[0], told(changes)[2]] == [
        ("post_clear", {board.pk}),
        ("post_clear", {ticket.pk}),
    ]


def test_clearing_again_has_no_keys_left(changes: Recorder) -> None:
    order = Order.objects.create()
    order.labels.add(Label.objects.create(name="a"))
    order.labels.clear()
    changes.clear()
    order.labels.clear()
    assert told(changes) == [("post_clear", set())]


def test_set_with_clear_tells_both(changes: Recorder) -> None:
    order = Order.objects.create()
    a, b = Label.objects.create(name="a"), Label.objects.create(name="b")
    order.labels.add(a)
    changes.clear()
    order.labels.set([b], clear=True)
    assert told(changes) == [("post_clear", {"a"}), ("post_add", {"b"})]


def test_relation_that_a_child_table_inherits_is_told_of(changes: Recorder) -> None:
    gift = GiftOrder.objects.create()
    gift.labels.add(Label.objects.create(name="a"))
    gift.labels.clear()
    assert told(changes) == [("post_add", {"a"}), ("post_clear", {"a"})]
    assert all(call["instance"] == gift for call in changes.calls)


def test_clear_costs_a_query_only_for_those_who_are_told_of_it(
    defer: Connected, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    order = Order.objects.create()
    got = listen(defer, m2m_changed, actions=("post_add",))
    with django_assert_num_queries(1):  # the delete itself
        order.labels.clear()
    assert got.calls == []


def test_every_action_can_be_asked_for(defer: Connected) -> None:
    got = listen(
        defer,
        m2m_changed,
        actions=("pre_add", "post_add", "pre_remove", "post_remove", "pre_clear", "post_clear"),
    )
    order, label = Order.objects.create(), Label.objects.create(name="a")
    order.labels.add(label)
    order.labels.remove(label)
    order.labels.clear()
    actions = [call["action"] for call in got.calls]
    assert sorted(actions) == sorted(
        ["pre_add", "post_add", "pre_remove", "post_remove", "pre_clear", "post_clear"]
    )
