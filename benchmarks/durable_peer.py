"""Durable delivery against django-celery-outbox: one event in a request, and what a relay drains."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

from django.contrib.auth.models import Group
from django.db import connection, transaction
from django_celery_outbox import CeleryOutbox

from benchmarks.databases import database, forget_rows
from benchmarks.pairs import in_turns
from benchmarks.peer_outbox import OUTBOX, forget_delays
from benchmarks.processes import program
from benchmarks.project import durable, outboxed
from benchmarks.queue import Queue
from benchmarks.results import Ratios, Result
from deferred_signals.outbox.models import OutboxMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.pairs import Measure

__all__ = ["measure"]

#: By brokers: how many times as fast our relay is.
TARGETS = {"Redis": 10.0, "RabbitMQ": 5.0}


def measure(*, quick: bool) -> Ratios:
    """Measure one event in a transaction that writes a row, and the relays on rows that wait."""
    rounds, rows, drains = (1, 200, 1) if quick else (300, 5000, 5)
    with database(), Queue() as queue:
        one = Result(
            case="1 event, until committed",
            against=OUTBOX,
            pair=in_turns(
                _sent(queue, durable.order_placed, forget_rows, woken=1),
                _sent(queue, outboxed.order_placed, _forget_theirs, woken=0),
                rounds=rounds,
            ),
            target=2.0,
        )
        relay = Result(
            case=f"a relay, {rows:,} rows that are due",
            against=OUTBOX,
            pair=in_turns(
                _drained(queue, _waiting, rows, ("deferred_outbox", "relay")),
                _drained(queue, _stored, rows, ("celery_outbox_relay",)),
                rounds=drains,
                warm_up=False,
            ),
            target=TARGETS[queue.broker],
        )
        forget_delays()
        return Ratios(
            title=f"Durable delivery on {connection.display_name} and {queue.broker}",
            note=(
                "µs an event in a transaction that writes a row and sends one event, which both store; "
                "and µs a row that a relay publishes, from its first one to its last."
            ),
            results=(one, relay),
        )


def _sent(
    queue: Queue, send: Callable[[int], object], forget: Callable[[], object], *, woken: int
) -> Measure:
    def measure() -> float:
        begin = time.perf_counter()
        with transaction.atomic():
            Group.objects.create(name=str(uuid4()))
            send(1)
        taken = time.perf_counter() - begin
        queue.take(woken)
        forget()
        return taken * 1e6

    return measure


def _drained(
    queue: Queue, store: Callable[[int], None], rows: int, command: tuple[str, ...]
) -> Measure:
    """Measure a relay in a process of its own, without its start."""

    def measure() -> float:
        store(rows)
        with program("django", *command) as relay:
            relay.wait_for(lambda: queue.depth() > 0)
            begin, first = time.perf_counter(), queue.depth()
            relay.wait_for(lambda: queue.depth() >= rows)
            taken = (time.perf_counter() - begin) / max(1, rows - first)
        queue.take(rows)
        forget_rows()
        _forget_theirs()
        return taken * 1e6

    return measure


def _waiting(rows: int) -> None:
    """Leave rows whose wake-ups were never sent, as a broker that is away does."""
    with transaction.atomic():
        for number in range(rows):
            durable.order_waiting(number)
    OutboxMessage.objects.update(due_at="2000-01-01T00:00:00Z")


def _stored(rows: int) -> None:
    with transaction.atomic():
        for number in range(rows):
            outboxed.order_placed(number)


def _forget_theirs() -> None:
    CeleryOutbox._default_manager.all().delete()
