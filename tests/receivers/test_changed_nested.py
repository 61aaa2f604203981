"""Handlers of `post_save` that stand before ours, and save the instance again."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models.signals import post_save

from tests.app.models import Order
from tests.support.recorder import Recorder, changes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


class HandledOrder(Order):
    """A sender that nothing but these tests follows, so that a handler can stand before ours."""

    class Meta:
        app_label = "tests_app"
        proxy = True


handlers: list[Callable[..., None]] = []


def handle(**kwargs: Any) -> None:
    for handler in handlers:
        handler(**kwargs)


post_save.connect(handle, sender=HandledOrder)


@pytest.fixture
def handled() -> Iterator[Callable[..., None]]:
    """Connect a handler that stands before ours."""
    yield handlers.append
    handlers.clear()


@pytest.fixture
def order_model() -> type[Order]:
    """Name the model whose handlers these tests set."""
    return HandledOrder


@pytest.mark.parametrize("written", [None, ["total"]], ids=["all", "one"])
def test_new_row_that_an_earlier_handler_saves_again_is_told_once(
    written: list[str] | None, of_status: Recorder, handled: Callable[..., None]
) -> None:
    def number(instance: HandledOrder, created: bool, **kwargs: object) -> None:
        if created:
            instance.total = Decimal(7)
            instance.save(update_fields=written)

    handled(number)
    HandledOrder(status="paid").save()
    assert changes(of_status) == [{"status": (None, "paid")}]
    assert of_status["created"] is True


def test_row_that_an_earlier_handler_saves_again_is_told_once(
    order: Order, of_status: Recorder, handled: Callable[..., None]
) -> None:
    def count(instance: HandledOrder, **kwargs: object) -> None:
        if instance.total != 7:
            instance.total = Decimal(7)
            instance.save()

    handled(count)
    order.status = "paid"
    order.save()
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]


def test_change_that_an_earlier_handler_makes_and_saves_is_told(
    of_status: Recorder, handled: Callable[..., None]
) -> None:
    def pay(instance: HandledOrder, created: bool, **kwargs: object) -> None:
        if created:
            instance.status = "paid"
            instance.save(update_fields=["status"])

    handled(pay)
    order = HandledOrder.objects.create(status="new")
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}, {"status": (None, "paid")}]


def test_value_that_an_earlier_handler_only_sets_is_taken_for_what_was_written(
    order: Order, of_status: Recorder, handled: Callable[..., None]
) -> None:
    """Pin what the docs say: once the instance is altered, nobody can see what was written."""

    def alter(instance: HandledOrder, **kwargs: object) -> None:
        instance.status = "altered"

    handled(alter)
    order.status = "paid"
    order.save()
    assert changes(of_status) == [{"status": ("new", "altered")}]


def test_save_that_failed_in_an_earlier_handler_is_not_taken_for_the_outer_one(
    order: Order, of_status: Recorder, handled: Callable[..., None]
) -> None:
    def fail(instance: HandledOrder, **kwargs: object) -> None:
        with suppress(ValueError), transaction.atomic():
            instance.save(force_insert=True, update_fields=["total"])
        with suppress(IntegrityError), transaction.atomic():
            instance.save(force_insert=True)

    handled(fail)
    order.status = "paid"
    order.save()
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]
