"""Durable sends against what one writes by hand: a row of the ORM for each event, in its transaction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.databases import database, forget_rows
from benchmarks.pairs import timed
from benchmarks.project import durable
from benchmarks.queue import Queue
from benchmarks.results import Ratios
from benchmarks.sizes import by_size, sizes
from deferred_signals.outbox.models import OutboxMessage

if TYPE_CHECKING:
    from benchmarks.pairs import Measure

__all__ = ["measure"]

#: By Django's names of the databases: how many times as fast 500 events are.
TARGETS = {"PostgreSQL": 7.0, "MySQL": 5.0, "MariaDB": 5.0, "SQLite": 3.0}


def measure(*, quick: bool) -> Ratios:
    """Measure transactions of several sizes, the sends and the COMMIT included."""
    with database(), Queue() as queue:
        return Ratios(
            title=f"Durable sends on {connection.display_name}",
            note=(
                "µs an event in a transaction that sends so many; encoding, the rows and the COMMIT "
                "included. By hand: one `create()` of such a row for each event, of a text that is "
                "there, and nobody is woken up."
            ),
            results=by_size(
                partial(_ours, queue),
                partial(_created, queue),
                sizes(quick=quick),
                against="OutboxMessage.objects.create()",
                targets={500: TARGETS[connection.display_name]},
            ),
        )


def _ours(queue: Queue, events: int) -> Measure:
    flush = queue.flush(durable.order_placed, events)

    def measure() -> float:
        taken = flush()
        forget_rows()
        return taken

    return measure


def _created(queue: Queue, events: int) -> Measure:
    durable.order_placed(0)
    queue.take(1)
    sent = OutboxMessage.objects.get()
    forget_rows()

    def transact() -> None:
        with transaction.atomic():
            for number in range(events):
                now = timezone.now()
                OutboxMessage.objects.create(
                    id=uuid4(),
                    receiver=sent.receiver,
                    payload=sent.payload,
                    position=number,
                    created_at=now,
                    due_at=now,
                    woken_at=now,
                )

    once = timed(transact, calls=1)

    def measure() -> float:
        taken = once() / events
        forget_rows()
        return taken

    return measure
