"""The fixtures of the tests of `changed()`: an order, and what a receiver of its changes gets."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import models
from django.db.models.signals import post_save

from deferred_signals import changed
from tests.app.models import Order
from tests.support.connected import Connected
from tests.support.recorder import Recorder, listen

Follow = Callable[..., Recorder]
MakeOrder = Callable[[], Order]


@pytest.fixture
def order_model() -> type[Order]:
    """Name the model of the orders; a module of tests may have another one."""
    return Order


@pytest.fixture
def of_status(defer: Connected, order_model: type[Order]) -> Recorder:
    """Record the changes of the status of orders."""
    return listen(defer, post_save, sender=order_model, when=changed("status"))


@pytest.fixture
def make_order(of_status: Recorder, order_model: type[Order]) -> MakeOrder:
    """Make new orders as the database gives them, of which no change was recorded yet."""

    def make_order() -> Order:
        pk = order_model.objects.create(status="new").pk
        of_status.clear()
        return order_model.objects.get(pk=pk)

    return make_order


@pytest.fixture
def order(make_order: MakeOrder) -> Order:
    """Make a new order as the database gives it, of which no change was recorded yet."""
    return make_order()


@pytest.fixture
def follow(defer: Connected) -> Follow:
    """Record the changes of fields of a model; `to` and `was` are those of `changed()`."""

    def follow(model: type[models.Model], *names: str, **options: Any) -> Recorder:
        asked = {name: options.pop(name) for name in ("to", "was") if name in options}
        return listen(defer, post_save, sender=model, when=changed(*names, **asked), **options)

    return follow
