"""One model of each kind that a message has to carry."""

import os
import uuid
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from tests.app.fields import (
    RAN,
    BlocksField,
    CodeAutoField,
    EncryptedTextField,
    MoneyField,
    NoisyField,
    PickledField,
)


class Label(models.Model):
    """A string is its primary key."""

    name = models.CharField(max_length=40, primary_key=True)

    def __str__(self) -> str:
        return self.name


class Ticket(models.Model):
    """A UUID, made before the first save, is its primary key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subject = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.subject


class Order(models.Model):
    """The database makes its primary key."""

    status = models.CharField(max_length=20, default="new")
    total = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    placed_at = models.DateTimeField(default=timezone.now)
    labels = models.ManyToManyField(Label, related_name="orders")

    def __str__(self) -> str:
        return f"{self.status} order of {self.total}"


class PaidOrder(Order):
    """A proxy."""

    class Meta:
        proxy = True


class GiftOrder(Order):
    """A child with a table of its own."""

    wish = models.CharField(max_length=100, blank=True)


class Run(models.Model):
    """One run of a receiver or task, written by the process that ran it."""

    receiver = models.CharField(max_length=200)
    message_id = models.CharField(max_length=100, blank=True)
    attempt = models.PositiveIntegerField(default=1)
    pid = models.PositiveIntegerField(default=os.getpid)
    payload = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.receiver}, attempt {self.attempt}, in process {self.pid}"

    @classmethod
    def log(cls, receiver: str, message_id: str = "", attempt: int = 1, **payload: Any) -> "Run":
        """Write down that `receiver` runs, here and now."""
        return cls.objects.create(
            receiver=receiver, message_id=message_id, attempt=attempt, payload=payload
        )


class Sent(models.Model):
    """One message, written down by the transaction that sends it.

    Attributes:
        kind: what it was sent to.
        key: of messages that run one after another.
        number: its place among those of its key.
        pid: the process that sent it.
        at: when that was.
    """

    message_id = models.CharField(max_length=100, primary_key=True)
    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=40, blank=True, db_index=True)
    number = models.PositiveIntegerField(default=0)
    pid = models.PositiveIntegerField(default=os.getpid)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.kind} message {self.message_id}"


class Line(models.Model):
    """A line of an order: foreign keys, and a file."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    label = models.ForeignKey(Label, models.SET_NULL, null=True)
    document = models.FileField(blank=True)

    def __str__(self) -> str:
        return f"line {self.pk}"


class Board(models.Model):
    """Collects what has a UUID."""

    tickets = models.ManyToManyField(Ticket, related_name="boards")

    def __str__(self) -> str:
        return f"board {self.pk}"


class Seat(models.Model):
    """Two columns are its primary key."""

    pk = models.CompositePrimaryKey("row", "number")
    row = models.CharField(max_length=2)
    number = models.IntegerField()
    taken = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"seat {self.row}{self.number}"


class Article(models.Model):
    """Fields of the kinds that packages bring."""

    id = CodeAutoField(primary_key=True)
    title = models.CharField(max_length=100, blank=True)
    price = MoneyField(max_digits=10, decimal_places=2, default=Decimal(0))
    body = BlocksField(default=list)
    secret = EncryptedTextField(blank=True)
    extra = PickledField(blank=True)
    noise = NoisyField(max_length=20, blank=True)
    picture = models.BinaryField(null=True)
    facts = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.title


class Comment(models.Model):
    """Belongs to a row whose key has a type of its own."""

    article = models.ForeignKey(Article, models.CASCADE, related_name="comments")
    tags = models.ManyToManyField(Article, related_name="tagged")

    def __str__(self) -> str:
        return f"comment {self.pk}"


class Touchy(models.Model):
    """Runs code when it is hashed or compared."""

    name = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        RAN.append("__eq__")
        return super().__eq__(other)

    def __hash__(self) -> int:
        RAN.append("__hash__")
        return super().__hash__()
