"""Durable delivery with many rows on PostgreSQL: what a row costs, and what looks and commands take."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from django.db import connection, connections, transaction

from benchmarks.databases import database, forget_rows
from benchmarks.filling import churn, fill, payload_of, run, wal, wal_since
from benchmarks.pairs import Quartiles
from benchmarks.project import durable
from benchmarks.queue import Queue
from benchmarks.results import Cost, Costs
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox import Selection, discard, health, purge, replay, status
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.holding import hold_paused
from deferred_signals.outbox.models import TABLE, OutboxMessage
from deferred_signals.outbox.operations.listing import Wanted, page_of
from deferred_signals.outbox.releases import remove
from deferred_signals.outbox.taking import look_for_overdue, take_due
from deferred_signals.outbox.turns import set_blocked_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["measure"]

RECEIVER = "benchmarks.project.durable.take_order"


def measure(*, quick: bool) -> Costs:
    """Measure one row after the other, and then a table of a million of them."""
    rows = 5000 if quick else 1_000_000
    with database(), Queue() as queue:
        payload = payload_of(queue)
        return Costs(
            title=f"Durable delivery with {rows:,} rows on {connection.display_name}",
            note=(
                f"In the unit that each line names. A message's text has {len(payload)} characters. "
                f"A third of the rows waits, a third is queued, a third is dead."
            ),
            results=(
                *_of_one_message(queue, 200 if quick else 5000),
                *_of_passing(rows, payload),
                *_of_a_snapshot(rows // 10, payload),
                *_of_many(rows, payload, 1 if quick else 20),
                *_of_threads(500 if quick else 10_000, payload),
            ),
        )


def _of_one_message(queue: Queue, rows: int) -> Iterator[Cost]:
    ids: list[str] = []
    for events in (1, 100):
        place = wal()
        for _ in range(rows // events):
            with transaction.atomic():
                for number in range(events):
                    durable.order_placed(number)
        yield _cost(f"WAL of a send, {events} in a transaction, bytes", wal_since(place) / rows)
        queue.take(rows // events * events)
        ids = [str(id_) for id_ in OutboxMessage.objects.values_list("id", flat=True)]
        if events == 1:
            forget_rows()
    place = wal()
    for id_ in ids:
        claim(connection, WakeUp("default", id_, 0, 0.0), RECEIVER, "a worker", 60.0)
    yield _cost("WAL of a claim, bytes", wal_since(place) / len(ids))
    place = wal()
    for id_ in ids:
        remove(connection, id_, None)
    yield _cost("WAL of the end of a row, bytes", wal_since(place) / len(ids))


def _of_passing(rows: int, payload: str) -> Iterator[Cost]:
    """Let rows pass, with a VACUUM after every 10,000 of them, as autovacuum is told to by the migration."""
    _rebuild()
    for _ in range(0, rows, 10_000):
        churn(min(rows, 10_000), payload)
        run(f"VACUUM {TABLE}")
    yield _cost(f"table after {rows:,} messages have passed, MB", _size("pg_table_size"))
    yield _cost("its indexes, MB", _size("pg_indexes_size"))


def _of_a_snapshot(rows: int, payload: str) -> Iterator[Cost]:
    """Let rows pass while another transaction keeps its snapshot."""
    _rebuild()
    yield _cost("a relay's look, ms", _milliseconds(_look, 20))
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT 1")
        # Rows whose time has come since: a minute later a relay meets what is left of them.
        churn(rows, payload, "due")
        run(f"VACUUM {TABLE}")
        yield _cost(
            f"the same after {rows:,} messages under an open snapshot, ms", _milliseconds(_look, 20)
        )
        yield _cost("the table then, MB", _size("pg_total_relation_size"))
        other.rollback()
    finally:
        other.close()
    run(f"VACUUM {TABLE}")
    yield _cost("a look after the snapshot's end and a VACUUM, ms", _milliseconds(_look, 20))


def _of_many(rows: int, payload: str, times: int) -> Iterator[Cost]:
    _rebuild()
    for state in ("waiting", "queued", "dead"):
        fill(rows // 3, payload, state)
    fill(1000, payload, "dead", "shop.receivers.other")
    run(f"VACUUM ANALYZE {TABLE}")
    yield _cost(f"table of {rows:,} rows, MB", _size("pg_table_size"))
    yield _cost("its indexes, MB", _size("pg_indexes_size"))
    yield _cost("a relay's look that finds nothing, ms", _milliseconds(_look, times))
    yield _cost("status(), ms", _milliseconds(status, times))
    yield _cost("health(), ms", _milliseconds(health, times))
    for state in ("", "dead"):
        read = partial(page_of, Wanted(state=state), using="default")
        yield _cost(f"first page of {state or 'all'} messages, ms", _milliseconds(read, times))
    other = Selection(receiver="shop.receivers.other")
    yield _cost(
        "replay() of one receiver's 1,000 dead letters, ms", _milliseconds(lambda: replay(other), 1)
    )
    yield _cost("a relay's look that takes 500 rows, ms", _milliseconds(_look, 2))
    fill(1000, payload, "dead", "shop.receivers.other")
    yield _cost("discard() of as many, ms", _milliseconds(lambda: discard(other), 1))
    one = Selection(subject="shop.Order 7")
    yield _cost("discard() of one subject's, ms", _milliseconds(lambda: discard(one), 1))
    yield _cost("purge() that finds nothing, ms", _milliseconds(purge, times))


def _of_threads(rows: int, payload: str) -> Iterator[Cost]:
    """Claim and end rows on as many connections as keep the server busy; this process takes half of it."""
    _rebuild()
    for threads in (1, 8):
        fill(rows, payload, "queued", RECEIVER)
        ids = [str(id_) for id_ in OutboxMessage.objects.values_list("id", flat=True)]
        parts = [ids[first::threads] for first in range(threads)]
        begin = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(_claim_and_end, parts))
        seconds = time.perf_counter() - begin
        yield _cost(f"claims and ends a second, on {threads} connections", rows / seconds)


def _claim_and_end(ids: list[str]) -> None:
    own = connections.create_connection("default")
    try:
        for id_ in ids:
            if claim(own, WakeUp("default", id_, 0, 0.0), RECEIVER, "a worker", 60.0) is None:
                raise SystemExit("A row was not there.")
            remove(own, id_, None)
    finally:
        own.close()


def _look() -> None:
    """Look as a relay does, without publishing."""
    take_due(connection, 500, 60.0)
    look_for_overdue(connection, 500)
    set_blocked_on(connection, 500, 60.0)
    hold_paused(connection)


def _rebuild() -> None:
    run(f"TRUNCATE {TABLE}")


def _size(function: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [TABLE])
        return float(cursor.fetchone()[0]) / 1e6


def _milliseconds(function: Callable[[], object], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        function()
        taken.append((time.perf_counter() - begin) * 1e3)
    return taken


def _cost(case: str, found: float | list[float]) -> Cost:
    return Cost(case=case, spent=Quartiles.of(found if isinstance(found, list) else [found]))
