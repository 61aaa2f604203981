"""django-celery-outbox: it stores each call in the transaction, and a relay publishes the call later."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import redis
from django.contrib.auth.models import Group
from django.db import transaction
from django_celery_outbox import CeleryOutbox

from benchmarks.databases import database
from benchmarks.processes import program
from benchmarks.project import celery_app, outboxed, receivers
from benchmarks.queue import Queue
from benchmarks.results import Ratios
from benchmarks.sizes import Size, by_size, sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.pairs import Measure

__all__ = ["OUTBOX", "forget_delays", "measure"]

OUTBOX = "django-celery-outbox"


def measure(*, quick: bool) -> Ratios:
    """Measure storing and publishing by both, in a database of their own."""
    with database(), Queue() as queue:
        ours = partial(queue.counted, partial(_transact, receivers.order_placed))
        stored = by_size(
            ours, _stored, sizes(quick=quick), against=OUTBOX, case="{}, until committed"
        )
        relayed = by_size(
            ours,
            partial(_relayed, queue),
            [Size(50, 1) if quick else Size(500, 5)],
            against=OUTBOX,
            case="{}, until on the broker",
        )
        forget_delays()
        return Ratios(
            title=f"Publishing to {queue.broker}",
            note=(
                "µs an event in a transaction that writes a row and sends so many events. "
                "Theirs are stored in it and survive a crash; ours are published by its commit. "
                "Until on the broker: and what its relay takes for each."
            ),
            results=(*stored, *relayed),
        )


def _stored(events: int) -> Measure:
    def measure() -> float:
        begin = time.perf_counter()
        _transact(outboxed.order_placed, events)
        seconds = time.perf_counter() - begin
        CeleryOutbox._default_manager.all().delete()
        return seconds / events * 1e6

    return measure


def _relayed(queue: Queue, events: int) -> Measure:
    def measure() -> float:
        begin = time.perf_counter()
        _transact(outboxed.order_placed, events)
        seconds = time.perf_counter() - begin
        with program("django", "celery_outbox_relay") as relay:
            relay.wait_for(lambda: queue.depth() > 0)
            begin, first = time.perf_counter(), queue.depth()
            relay.wait_for(lambda: queue.depth() == events)
            relaying = (time.perf_counter() - begin) / (events - first)
        queue.take(events)
        return (seconds / events + relaying) * 1e6

    return measure


def _transact(send: Callable[[int], object], events: int) -> None:
    with transaction.atomic():
        Group.objects.create(name=str(uuid4()))
        for number in range(events):
            send(number)


def forget_delays() -> None:
    """Delete the queues that their relay declares on Redis for delays; none was used."""
    if urlsplit(celery_app.conf.broker_url).scheme != "redis":
        return
    with redis.Redis.from_url(celery_app.conf.broker_url) as client:
        for key in client.scan_iter("_kombu.binding*.celery_delayed_*"):
            client.delete(key)
