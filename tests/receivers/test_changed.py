"""`when=changed(...)`: which saves defer, and what the receiver gets of old and new values."""

from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import post_save
from pytest_django import DjangoAssertNumQueries

from deferred_signals import changed
from tests.app.models import Order
from tests.support.connected import Connected
from tests.support.recorder import Recorder, changes, listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


def test_save_that_changes_the_field_is_deferred_with_old_and_new_value(
    order: Order, of_status: Recorder
) -> None:
    order.status = "paid"
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]
    assert of_status["created"] is False


def test_save_that_changes_other_fields_or_nothing_is_not_deferred(
    order: Order, of_status: Recorder
) -> None:
    order.save()
    order.total = 7
    order.save()
    order.status = "new"
    order.save()
    assert of_status.calls == []


def test_value_that_was_changed_back_before_the_save_has_not_changed(
    order: Order, of_status: Recorder
) -> None:
    order.status = "paid"
    order.status = "new"
    order.save()
    assert of_status.calls == []


def test_new_row_has_changed_from_none(of_status: Recorder) -> None:
    order = Order(status="new")
    order.save()
    assert changes(of_status) == [{"status": (None, "new")}]
    assert of_status["created"] is True


def test_each_of_repeated_saves_is_compared_with_the_one_before(
    order: Order, of_status: Recorder
) -> None:
    for status in ("paid", "paid", "sent", "sent", "new"):
        order.status = status
        order.save()
    assert changes(of_status) == [
        {"status": ("new", "paid")},
        {"status": ("paid", "sent")},
        {"status": ("sent", "new")},
    ]


def test_row_that_was_made_here_is_compared_with_its_first_save(of_status: Recorder) -> None:
    order = Order.objects.create(status="new")
    order.status = "paid"
    order.save()
    assert changes(of_status) == [{"status": (None, "new")}, {"status": ("new", "paid")}]


def test_field_that_the_save_does_not_write_has_not_changed(
    order: Order, of_status: Recorder
) -> None:
    order.status = "paid"
    order.save(update_fields=["total"])
    assert of_status.calls == []
    order.save(update_fields=["status"])
    assert changes(of_status) == [{"status": ("new", "paid")}]


def test_refreshed_row_is_compared_with_what_was_loaded(order: Order, of_status: Recorder) -> None:
    Order.objects.update(status="paid")
    order.refresh_from_db()
    order.save()
    assert of_status.calls == []
    order.status = "new"
    order.save()
    assert changes(of_status) == [{"status": ("paid", "new")}]


def test_refresh_of_other_fields_forgets_no_change(order: Order, of_status: Recorder) -> None:
    order.status = "paid"
    order.refresh_from_db(fields=["total"])
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]


def test_loading_a_deferred_field_forgets_no_change(order: Order, of_status: Recorder) -> None:
    lazily = Order.objects.defer("total").get()
    lazily.status = "paid"
    assert lazily.total == 0
    lazily.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]


def test_deferred_field_is_not_loaded_to_be_compared(
    order: Order, of_status: Recorder, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        lazily = Order.objects.defer("status").get()
        lazily.save()
    assert of_status.calls == []


def test_deferred_field_that_is_loaded_is_compared(order: Order, of_status: Recorder) -> None:
    lazily = Order.objects.defer("status").get()
    assert lazily.status == "new"
    lazily.status = "paid"
    lazily.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]


def test_save_inside_a_receiver_takes_nothing_from_the_outer_save(
    order: Order, defer: Connected, of_status: Recorder
) -> None:
    def save_again(sender: object, instance: Any, **kwargs: Any) -> None:
        if instance.total != 7:
            instance.total = 7
            instance.save()

    of_status.clear()
    post_save.connect(save_again, sender=Order)
    later = listen(defer, post_save, sender=Order, when=changed("status"))
    try:
        order.status = "paid"
        order.save()
    finally:
        post_save.disconnect(save_again, sender=Order)
    assert changes(of_status) == [{"status": ("new", "paid")}]
    assert changes(later) == [{"status": ("new", "paid")}]


def test_save_that_failed_leaves_the_change_to_the_next_one(
    order: Order, of_status: Recorder
) -> None:
    order.status = "paid"
    with pytest.raises(Exception, match="Cannot force"), transaction.atomic():
        order.save(force_insert=True, force_update=True)
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]
