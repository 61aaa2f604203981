"""``python -m benchmarks.commits WAY WORKERS COMMITS``: what commits take in threads or greenlets.

WAY is ``ours``, ``by-hand``, ``ours-in-greenlets`` or ``by-hand-in-greenlets``. Each worker commits
transactions that send one event each, on a connection that was used before. Prints the seconds of
each commit as JSON. The database is a SQLite in memory, so that a commit takes the broker's time.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and sys.argv[1].endswith("-in-greenlets"):
    from gevent import monkey

    monkey.patch_all()

import json
import os
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING

import django
from django.db import connections, transaction

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main"]


def main(way: str, workers: int, commits: int) -> list[float]:
    """Commit in all workers at once; the seconds of each commit."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.project.settings")
    os.environ.setdefault("DATABASE_URL", "sqlite://:memory:")
    django.setup()
    module = "receivers" if way.startswith("ours") else "by_hand"
    send = import_module(f"benchmarks.project.{module}").order_placed
    barrier = threading.Barrier(workers)
    seconds: list[float] = []
    _commit(send)  # imports, connects, declares
    _wait_until_ready(send)

    def work() -> None:
        if way.startswith("by-hand"):  # a connection for each thread is there already
            _commit(send)
        barrier.wait()
        for _ in range(commits):
            seconds.append(_commit(send))  # noqa: PERF401 - other threads do so, too
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds


def _commit(send: Callable[[int], object]) -> float:
    with transaction.atomic():
        send(1)
        began = time.perf_counter()
    return time.perf_counter() - began


def _wait_until_ready(send: Callable[[int], object]) -> None:
    """Commit until two in a row take about the same: connecting and declaring is over."""
    before = _commit(send)
    for _ in range(20):
        now = _commit(send)
        if abs(now - before) < 0.3 * max(now, before):
            return
        before = now


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
