"""A worker's throughput: messages are waiting, and what they call only counts."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from django.db import transaction

from benchmarks.pairs import in_turns
from benchmarks.processes import program
from benchmarks.project import by_hand, receivers, signal_receivers
from benchmarks.project.counting import WARM_UP
from benchmarks.queue import Queue
from benchmarks.results import SIGNAL_RECEIVERS, TASK, Ratios, Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.pairs import Measure

__all__ = ["WORKER", "measure", "work"]

WORKER = (
    "celery", "-A", "benchmarks.project", "worker", "--pool", "solo", "--loglevel", "WARNING",
    "--without-gossip", "--without-mingle", "--without-heartbeat",
)  # fmt: skip
#: Calls that one transaction asks for.
FLUSH = 500


def measure(*, quick: bool) -> Ratios:
    """Measure two workers that run the same calls, one for each candidate."""
    calls, many, rounds = (100, 100, 1) if quick else (3000, 30_000, 5)
    with Queue() as queue:
        one = work(queue, receivers.order_placed, calls)
        hundred = work(queue, receivers.order_shipped, many)
        task = work(queue, by_hand.order_placed, calls)
        peer = work(queue, signal_receivers.order_placed, calls)
        return Ratios(
            title=f"A solo worker on {queue.broker}",
            note="µs a call; a worker with the solo pool, for which the calls wait.",
            results=tuple(
                Result(
                    case=case,
                    against=against,
                    pair=in_turns(ours, theirs, rounds=rounds, warm_up=False),
                    target=target,
                )
                for case, ours, against, theirs, target in (
                    ("1 call a message", one, TASK, task, None),
                    (f"{receivers.CHUNK} calls a message", hundred, TASK, task, 20.0),
                    ("1 call a message", one, SIGNAL_RECEIVERS, peer, None),
                )
            ),
        )


def work(queue: Queue, send: Callable[[int], object], calls: int) -> Measure:
    """Measure a call on a worker of its own, whose first calls do not count."""

    def measure() -> float:
        for first in range(0, WARM_UP + calls, FLUSH):
            with transaction.atomic():
                for number in range(first, min(first + FLUSH, WARM_UP + calls)):
                    send(number)
        with TemporaryDirectory() as folder:
            report = Path(folder) / "seconds"
            environment = {"BENCHMARKS_CALLS": str(calls), "BENCHMARKS_REPORT": str(report)}
            with program(*WORKER, **environment) as worker:
                worker.wait_for(report.exists)
            seconds = float(report.read_text())
        queue.take(0)
        return seconds / calls * 1e6

    return measure
