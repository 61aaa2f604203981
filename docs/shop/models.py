"""The models of the pages' examples."""

from decimal import Decimal

from django.db import models


class Order(models.Model):
    """What a customer ordered."""

    class Status(models.TextChoices):
        """How far it is."""

        NEW = "new"
        PAID = "paid"
        SENT = "sent"

    email = models.EmailField()
    status = models.CharField(max_length=10, choices=Status, default=Status.NEW)
    total = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    invoice = models.FileField(blank=True)

    def __str__(self) -> str:
        return f"order {self.pk}"
