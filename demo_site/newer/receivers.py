"""What the newer release does with an order."""

# ruff: noqa: ARG001  # a receiver takes what its signal sends

from typing import Any
from uuid import UUID

from deferred_signals import receiver
from demo_site.shop.models import Order
from demo_site.shop.signals import order_placed
from demo_site.shop.timeline import note


@receiver(order_placed, deferred=True)
def count_points(sender: type[Order], order_id: UUID, **kwargs: Any) -> None:
    """Give the customer a point. Workers of the older release do not know this receiver."""
    note("gave a point", order=order_id)
