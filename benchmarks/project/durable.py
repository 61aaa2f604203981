"""The same as `benchmarks.project.receivers`, by durable delivery; and work that takes its time, by both."""

import os
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import redis
from django.contrib.auth.models import Group
from django.dispatch import Signal

from benchmarks.project.counting import count
from benchmarks.project.receivers import CHUNK, Checkout
from deferred_signals import receiver

placed = Signal()
shipped = Signal()
#: By whether their receivers are durable.
created = {True: Signal(), False: Signal()}
timed = {True: Signal(), False: Signal()}
slow = Signal()
waiting = Signal()

#: The list in Redis to which runs push their times.
TIMES = "benchmarks.times"


@receiver(placed, deferred=True, durable=True)
def take_order(sender: object, **kwargs: Any) -> None:
    """Take note of an order."""
    count()


@receiver(shipped, deferred=True, durable=True, chunk_size=CHUNK)
def tell_customer(sender: object, **kwargs: Any) -> None:
    """Take note of a parcel."""
    count()


@receiver(created[True], deferred=True, durable=True)
def create_durably(sender: object, **kwargs: Any) -> None:
    """Write a row."""
    Group.objects.create(name=str(uuid4()))
    count()


@receiver(created[False], deferred=True)
def create_after_commit(sender: object, **kwargs: Any) -> None:
    """Write a row."""
    Group.objects.create(name=str(uuid4()))
    count()


@receiver(timed[True], deferred=True, durable=True)
def tell_durably(sender: object, **kwargs: Any) -> None:
    """Tell when this ran."""
    _tell()


@receiver(timed[False], deferred=True)
def tell_after_commit(sender: object, **kwargs: Any) -> None:
    """Tell when this ran."""
    _tell()


@receiver(waiting, deferred=True, durable=True, countdown=3600)
def wait_for_relay(sender: object, **kwargs: Any) -> None:
    """Take note of an order, later: its wake-up is a relay's."""
    count()


@receiver(slow, deferred=True, durable=True)
def take_time(sender: object, **kwargs: Any) -> None:
    """Take two seconds."""
    time.sleep(2)
    count()


def _tell() -> None:
    now = time.time()  # the clock of both processes
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.rpush(TIMES, now)


def order_placed(number: int) -> None:
    """Send one event to one receiver."""
    placed.send(Checkout, order_id=number, email="ada@example.com")


def order_shipped(number: int) -> None:
    """Send one event to one receiver, whose calls travel in chunks."""
    shipped.send(Checkout, order_id=number, email="ada@example.com")


def order_waiting(number: int) -> None:
    """Send one event to one receiver, without a wake-up."""
    waiting.send(Checkout, order_id=number, email="ada@example.com")


def slowly(number: int) -> None:
    """Send one event to one receiver, which takes its time."""
    slow.send(Checkout, order_id=number)


def sending(signals: dict[bool, Signal], *, durable: bool) -> Callable[[int], None]:
    """Give what sends one event to a receiver of one delivery."""

    def send(number: int) -> None:
        signals[durable].send(Checkout, order_id=number, email="ada@example.com")

    return send
