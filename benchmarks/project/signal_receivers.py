"""The same as `benchmarks.project.by_hand`, with celery-signal-receivers."""

from dataclasses import dataclass

from celery_signals import receiver_task
from unified_signals import UnifiedSignal

from benchmarks.project.counting import count
from benchmarks.project.receivers import Checkout


@dataclass
class Order:
    """The arguments of the signal."""

    order_id: int
    email: str


placed = UnifiedSignal(Order)


@receiver_task(placed)  # type: ignore[untyped-decorator]
def take_order(sender: object, message: Order, **kwargs: object) -> None:
    """Take note of an order."""
    count()


def order_placed(number: int) -> None:
    """Send one event to one receiver."""
    placed.send(Checkout, message=Order(number, "ada@example.com"))
