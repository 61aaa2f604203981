"""How many messages a durable row takes: a backlog that a worker works off, and runs that take their time."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from django.db import transaction

from benchmarks.databases import database
from benchmarks.pairs import Quartiles
from benchmarks.processes import program
from benchmarks.project import durable
from benchmarks.queue import Queue
from benchmarks.results import Cost, Costs
from deferred_signals.outbox.models import OutboxMessage

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["measure"]

#: One child, and tasks that are taken are told of.
WORKER = (
    "celery", "-A", "benchmarks.project", "worker", "--pool", "prefork", "--concurrency", "1",
    "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat",
)  # fmt: skip

#: Events in a transaction.
FLUSH = 500


def measure(*, quick: bool) -> Costs:
    """Count what a worker with one child receives until all rows are through."""
    backlog, slow = (300, 1) if quick else (20_000, 45)
    with database(), Queue() as queue:
        return Costs(
            title=f"Messages a durable row takes on {queue.broker}",
            note=(
                "Wake-ups that a worker with one child received, by rows; the relay looks every second, "
                "and the settings are the defaults. Slow runs take two seconds each, and wait for longer "
                "than a lease."
            ),
            results=(
                Cost(
                    case=f"{backlog:,} rows that wait when the worker starts",
                    spent=_received(backlog, durable.order_placed),
                    at_most=1.1,
                ),
                Cost(
                    case=f"{slow:,} runs of 2 s",
                    spent=_received(slow, durable.slowly),
                    at_most=1.1,
                ),
            ),
        )


def _received(rows: int, send: Callable[[int], None]) -> Quartiles:
    for first in range(0, rows, FLUSH):
        with transaction.atomic():
            for number in range(first, min(first + FLUSH, rows)):
                send(number)
    with TemporaryDirectory() as folder:
        received = Path(folder) / "received"
        with program(*WORKER, BENCHMARKS_RECEIVED=str(received)) as worker:
            worker.wait_for(lambda: not OutboxMessage.objects.exists())
        return Quartiles.of([received.stat().st_size / rows])
