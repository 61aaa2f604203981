"""Durable messages of one key on PostgreSQL, all of which wait for the first of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db import connection

from benchmarks.databases import database, forget_rows
from benchmarks.filling import fill, payload_of, run, wal, wal_since
from benchmarks.pairs import Quartiles
from benchmarks.queue import Queue
from benchmarks.results import Cost, Costs
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.models import TABLE, OutboxMessage
from deferred_signals.outbox.taking import take_due
from deferred_signals.outbox.turns import claim_in_turn, set_blocked_on

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["measure"]

RECEIVER, KEY = "shop.receivers.send_receipt", "shop.Order 7"

#: Seconds of the leases, and rows that a relay takes at a time, as the settings have them.
LEASE, BATCH = 60.0, 500


def measure(*, quick: bool) -> Costs:
    """Measure relays and claims that meet rows whose turn has not come."""
    lengths = (500,) if quick else (10_000, 100_000)
    with database(), Queue() as queue:
        payload = payload_of(queue)
        return Costs(
            title=f"Durable messages of one key on {connection.display_name}",
            note=(
                "All of them wait for the first one, and all are due. In milliseconds, and in bytes of "
                "the write-ahead log."
            ),
            results=tuple(
                cost for rows in lengths for cost in _of_rows(rows, payload, 20 if quick else 500)
            ),
        )


def _of_rows(rows: int, payload: str, claims: int) -> Iterator[Cost]:
    forget_rows()
    fill(1, payload, "waiting", RECEIVER, KEY)
    fill(rows, payload, "due", RECEIVER, KEY)
    run(f"VACUUM ANALYZE {TABLE}")
    place = wal()
    spent: list[float] = []
    while OutboxMessage.objects.filter(claimed_at=None).count() > 1:
        spent.append(_look())
    yield _cost(f"looks of a relay that set {rows:,} rows on", len(spent))
    yield _cost("those looks together, ms", sum(spent))
    yield _cost("a look after them, ms", *(_look() for _ in range(20)))
    yield _cost("WAL of a row that is set on, bytes", wal_since(place) / rows)
    found = OutboxMessage.objects.exclude(claimed_at=None).values_list("id", flat=True)[:claims]
    ids = [str(id_) for id_ in found]
    yield _cost("a wake-up of one of them, ms", *map(_claim, ids))


def _look() -> float:
    begin = time.perf_counter()
    set_blocked_on(connection, BATCH, LEASE)
    if take_due(connection, BATCH, LEASE):
        raise SystemExit("A row was taken whose turn has not come.")
    return (time.perf_counter() - begin) * 1e3


def _claim(id_: str) -> float:
    begin = time.perf_counter()
    if claim_in_turn(connection, WakeUp("default", id_, 0, 0.0), RECEIVER, "a worker", LEASE):
        raise SystemExit("A row was claimed whose turn has not come.")
    return (time.perf_counter() - begin) * 1e3


def _cost(case: str, *found: float) -> Cost:
    return Cost(case=case, spent=Quartiles.of(list(found)))
