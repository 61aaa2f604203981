"""``python -m benchmarks.first``: what the first commit of a process takes, and those after it.

The first ``send()`` of a process lets another thread import what publishes, and connect, while the
transaction goes on. So a transaction that does some work finds a connection when it commits. Each
process is fresh. It prints the seconds of its first commit, and of each that follows, as JSON. The
database is a SQLite in memory, so that a commit takes the broker's time.
"""

from __future__ import annotations

import compileall
import json
import os
import statistics
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import django
from django.db import transaction

import deferred_signals
from benchmarks.pairs import Quartiles
from benchmarks.queue import Queue
from benchmarks.results import BY_HAND, Cost, Costs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["measure"]

#: Seconds that a transaction does something else after its send, as a request's queries would.
WORK = 0.15

#: Commits of a process after the first.
NEXT = 10

#: How many times as long as a warm commit the first one may take.
MOST = 2.0


def measure(*, quick: bool) -> Costs:
    """Start processes, by each way in turns."""
    compileall.compile_dir(Path(deferred_signals.__file__).parent, quiet=1)
    ways = {"receivers": "ours", "by_hand": BY_HAND}
    firsts: dict[str, list[float]] = {way: [] for way in ways}
    warm: dict[str, list[float]] = {way: [] for way in ways}
    with Queue() as queue:
        for _ in range(3 if quick else 15):
            for way in ways:
                first, *others = _run(way)
                firsts[way].append(first * 1e3)
                warm[way].append(statistics.median(others) * 1e3)
    results = []
    for way, name in ways.items():
        ratios = [one / other for one, other in zip(firsts[way], warm[way], strict=True)]
        most = MOST if way == "receivers" else None
        results += [
            Cost(case=f"{name}: the first, ms", spent=Quartiles.of(firsts[way])),
            Cost(case=f"{name}: a warm one, ms", spent=Quartiles.of(warm[way])),
            Cost(case=f"{name}: ratio", spent=Quartiles.of(ratios), at_most=most),
        ]
    return Costs(
        title=f"The first commit of a process, to {queue.broker}",
        note=(
            f"Commits of transactions that send one event and then take {WORK * 1e3:g} ms for "
            f"other things."
        ),
        results=tuple(results),
    )


def _run(way: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.first", way],
        env={**os.environ, "DATABASE_URL": "sqlite://:memory:"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds: list[float] = json.loads(done.stdout)
    return seconds


def _commits(way: str) -> list[float]:
    django.setup()
    send = import_module(f"benchmarks.project.{way}").order_placed
    return [_commit(send) for _ in range(1 + NEXT)]


def _commit(send: Callable[[int], object]) -> float:
    with transaction.atomic():
        send(1)
        time.sleep(WORK)
        began = time.perf_counter()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(_commits(sys.argv[1])))
