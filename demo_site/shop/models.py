"""What the shop sells, and what became of each order."""

import uuid
from decimal import Decimal

from django.conf import settings
from django.db import models


class Product(models.TextChoices):
    """A product of the shop."""

    TEAPOT = "teapot", "Teapot"
    CUP = "cup", "Cup and saucer"
    KETTLE = "kettle", "Kettle"


PRICES = {
    Product.TEAPOT: Decimal("34.90"),
    Product.CUP: Decimal("12.50"),
    Product.KETTLE: Decimal("58.00"),
}


class Status(models.TextChoices):
    """The states of an order, in the order of the workflow."""

    PLACED = "placed"
    PAID = "paid"
    PACKED = "packed"
    SHIPPED = "shipped"


#: The workflow: each state and the one that follows.
NEXT_STATUS = {
    Status.PLACED: Status.PAID,
    Status.PAID: Status.PACKED,
    Status.PACKED: Status.SHIPPED,
}


class Order(models.Model):
    """A customer's order of one product."""

    # A database may give the number of a rolled-back order to the next one; a UUID is used once.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    product = models.CharField(max_length=20, choices=Product)
    quantity = models.PositiveSmallIntegerField(default=1)
    total_amount = models.DecimalField(max_digits=10, decimal_places=2)
    status = models.CharField(max_length=20, choices=Status, default=Status.PLACED)
    placed_at = models.DateTimeField(auto_now_add=True)
    # What deferred receivers add later.
    confirmed_at = models.DateTimeField(null=True, editable=False)
    tracking_code = models.CharField(max_length=20, blank=True, editable=False)

    class Meta:
        ordering = ("-placed_at",)

    def __str__(self) -> str:
        return f"{self.quantity} x {self.get_product_display()}"

    def price(self) -> Decimal:
        """Return what the order costs, in EUR."""
        return PRICES[Product(self.product)] * self.quantity


class StatusChange(models.Model):
    """An entry of an order's history, which a receiver writes."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="history")
    status = models.CharField(max_length=20, choices=Status)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("at",)

    def __str__(self) -> str:
        return self.status
