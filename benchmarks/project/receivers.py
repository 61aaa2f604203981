"""The same as `benchmarks.project.by_hand`, with the library."""

from typing import Any

from django.dispatch import Signal

from benchmarks.project.counting import count
from deferred_signals import receiver

placed = Signal()
paid = Signal()
shipped = Signal()


#: Calls that travel in one message.
CHUNK = 100


class Checkout:
    """The sender of the signals."""


@receiver(placed, deferred=True)
def take_order(sender: object, **kwargs: Any) -> None:
    """Take note of an order."""
    count()


@receiver(paid, deferred=True)
def send_receipt(sender: object, **kwargs: Any) -> None:
    """First of five."""


@receiver(paid, deferred=True)
def reserve_stock(sender: object, **kwargs: Any) -> None:
    """Second of five."""


@receiver(paid, deferred=True)
def tell_warehouse(sender: object, **kwargs: Any) -> None:
    """Third of five."""


@receiver(paid, deferred=True)
def index_order(sender: object, **kwargs: Any) -> None:
    """Fourth of five."""


@receiver(paid, deferred=True)
def count_sale(sender: object, **kwargs: Any) -> None:
    """Fifth of five."""


@receiver(shipped, deferred=True, chunk_size=CHUNK)
def tell_customer(sender: object, **kwargs: Any) -> None:
    """Take note of a parcel."""
    count()


def order_placed(number: int) -> None:
    """Send one event to one receiver."""
    placed.send(Checkout, order_id=number, email="ada@example.com")


def order_paid(number: int) -> None:
    """Send one event to five receivers."""
    paid.send(Checkout, order_id=number, email="ada@example.com")


def order_shipped(number: int) -> None:
    """Send one event to one receiver, whose calls travel in chunks."""
    shipped.send(Checkout, order_id=number, email="ada@example.com")
