"""What a commit waits on a slow network, with many threads, in round trips; and by hand beside it.

The broker is behind a proxy that delays each way. Each thread commits transactions of one event, one
after another, on a connection that is ready. The same without a delay shows what of that the machine
takes: the threads share one interpreter, and all of them share the machine with the broker.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.network import slow_network
from benchmarks.pairs import Quartiles
from benchmarks.queue import Queue
from benchmarks.results import BY_HAND, Cost, Costs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["measure"]

#: Seconds of a round trip, and threads that commit.
CASES = ((0.02, (1, 20, 50)), (0.2, (1, 20, 50)))
GREENLETS = 100

#: Commits of each thread.
COMMITS = 5

#: Round trips that a commit may wait, at the median and at most.
MEDIAN, MOST = 2.0, 3.0


def measure(*, quick: bool) -> Costs:
    """Commit on each network, by each way, and with each number of threads."""
    with Queue() as queue, slow_network(os.environ["BROKER_URL"], 0.0) as fast:
        results: list[Cost] = []
        for round_trip, numbers in CASES[:1] if quick else CASES:
            with slow_network(os.environ["BROKER_URL"], round_trip) as slow:
                for number in numbers[:2] if quick else numbers:
                    results += _costs(slow, fast, round_trip, number, "threads")
                if not quick:
                    results += _costs(slow, fast, round_trip, GREENLETS, "greenlets")
        return Costs(
            title=f"Commits on a slow network, to {queue.broker}",
            note="Round trips that a commit waits; of the slowest commit, only one figure.",
            results=tuple(results),
        )


def _costs(slow: str, fast: str, round_trip: float, number: int, kind: str) -> Iterator[Cost]:
    what = f"{number} {kind}, {round_trip * 1000:g} ms"
    for url, way, name, median, most in (
        (slow, "ours", "ours", MEDIAN, MOST),
        (fast, "ours", "ours without a delay", None, None),
        (slow, "by-hand", BY_HAND, None, None),
    ):
        waited = [seconds / round_trip for seconds in _commit(url, way, number, kind)]
        yield Cost(case=f"{what}: {name}", spent=Quartiles.of(waited), at_most=median)
        yield Cost(case=f"{what}: {name}, slowest", spent=Quartiles.of([max(waited)]), at_most=most)


def _commit(url: str, way: str, number: int, kind: str) -> list[float]:
    way = way if kind == "threads" else f"{way}-in-greenlets"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.commits", way, str(number), str(COMMITS)],
        env={**os.environ, "BROKER_URL": url, "DATABASE_URL": "sqlite://:memory:"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds: list[float] = json.loads(done.stdout)
    return seconds
