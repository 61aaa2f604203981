"""The code that one writes without the library: tasks, and a call of `on_commit` for each."""

from functools import partial

from celery import Task, shared_task
from django.db import transaction

from benchmarks.project.counting import count


@shared_task
def take_order(order_id: int, email: str) -> None:
    """Take note of an order."""
    count()


@shared_task
def send_receipt(order_id: int, email: str) -> None:
    """First of five."""


@shared_task
def reserve_stock(order_id: int, email: str) -> None:
    """Second of five."""


@shared_task
def tell_warehouse(order_id: int, email: str) -> None:
    """Third of five."""


@shared_task
def index_order(order_id: int, email: str) -> None:
    """Fourth of five."""


@shared_task
def count_sale(order_id: int, email: str) -> None:
    """Fifth of five."""


FIVE: tuple[Task[..., None], ...] = (
    send_receipt,
    reserve_stock,
    tell_warehouse,
    index_order,
    count_sale,
)


def order_placed(number: int) -> None:
    """Send one event to one task, after the commit."""
    transaction.on_commit(partial(take_order.delay, order_id=number, email="ada@example.com"))


def order_paid(number: int) -> None:
    """Send one event to five tasks, after the commit."""
    for task in FIVE:
        transaction.on_commit(partial(task.delay, order_id=number, email="ada@example.com"))
