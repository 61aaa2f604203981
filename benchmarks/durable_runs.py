"""What durable delivery costs a worker, against commit delivery; and what chunks save of it."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import redis
from django.contrib.auth.models import Group
from django.db import connection, transaction

from benchmarks.databases import database, forget_rows
from benchmarks.pairs import in_turns
from benchmarks.processes import program
from benchmarks.project import durable, receivers
from benchmarks.queue import Queue
from benchmarks.results import Ratios, Result
from benchmarks.workers import WORKER, work
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.releases import remove
from deferred_signals.outbox.together import claim_together, remove_together

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.pairs import Measure, Pair

__all__ = ["measure"]

#: The other candidates.
COMMIT, ALONE = "commit delivery", "one by one"

#: Seconds that a run may take to come.
PATIENCE = 30


def measure(*, quick: bool) -> Ratios:
    """Measure workers that run the same calls, one for each delivery, and one that waits for each call."""
    calls, runs, rounds = (100, 10, 1) if quick else (1000, 300, 5)
    with database(), Queue() as queue:
        return Ratios(
            title=f"Durable delivery on {connection.display_name} and a solo worker on {queue.broker}",
            note=(
                "µs: from the beginning of a COMMIT, of a transaction that writes a row, to the run, on a "
                "worker that has nothing else to do; a call, on a worker for which calls wait; what the "
                "claim and the end of a row take in the database. Below 1, durable delivery costs more: an aim of 0.67 is 1.5 times as much."
            ),
            results=(
                Result(
                    case="from commit to run",
                    against=COMMIT,
                    pair=_latencies(queue, runs),
                    target=round(1 / 1.6, 2),
                ),
                *(
                    Result(
                        case=case,
                        against=COMMIT,
                        pair=in_turns(
                            work(queue, ours, calls),
                            work(queue, theirs, calls),
                            rounds=rounds,
                            warm_up=False,
                        ),
                        target=target,
                    )
                    for case, ours, theirs, target in (
                        (
                            "a call that writes a row by the ORM",
                            durable.sending(durable.created, durable=True),
                            durable.sending(durable.created, durable=False),
                            round(1 / 1.5, 2),
                        ),
                        (
                            "a call that does nothing",
                            durable.order_placed,
                            receivers.order_placed,
                            round(1 / 4.5, 2),
                        ),
                    )
                ),
                Result(
                    case=f"the database's part, chunks of {receivers.CHUNK}",
                    against=ALONE,
                    pair=in_turns(_together(queue), _one_by_one(queue), rounds=4 * rounds),
                    target=10.0,
                ),
            ),
        )


def _latencies(queue: Queue, runs: int) -> Pair:
    """Measure single events in turns, on one worker that runs both."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client, program(*WORKER):
        client.delete(durable.TIMES)
        ours, theirs = (
            partial(_until_run, client, durable.sending(durable.timed, durable=is_durable))
            for is_durable in (True, False)
        )
        for _ in range(10):  # the worker starts, connects, and imports
            ours()
            theirs()
        pair = in_turns(ours, theirs, rounds=runs)
        client.delete(durable.TIMES)
    queue.take(0)
    return pair


def _until_run(client: redis.Redis, send: Callable[[int], None]) -> float:
    with transaction.atomic():
        Group.objects.create(name=str(uuid4()))
        send(1)
        begin = time.time()
    found = client.blpop([durable.TIMES], PATIENCE)
    if found is None:
        raise SystemExit("The worker ran nothing.")
    return (float(found[1]) - begin) * 1e6


def _rows(queue: Queue) -> list[str]:
    """Write the rows of a chunk."""
    forget_rows()
    with transaction.atomic():
        for number in range(receivers.CHUNK):
            durable.order_shipped(number)
    queue.take(1)
    return [str(id_) for id_ in OutboxMessage.objects.values_list("id", flat=True)]


def _together(queue: Queue) -> Measure:
    name = "benchmarks.project.durable.tell_customer"

    def measure() -> float:
        ids = _rows(queue)
        begin = time.perf_counter()
        claimed = claim_together(connection, ids, 0, name, "a worker", 60.0)
        removed = remove_together(connection, ids)
        taken = time.perf_counter() - begin
        if not len(claimed) == removed == len(ids):
            raise SystemExit("Rows were not there.")
        return taken / len(ids) * 1e6

    return measure


def _one_by_one(queue: Queue) -> Measure:
    name = "benchmarks.project.durable.tell_customer"

    def measure() -> float:
        ids = _rows(queue)
        begin = time.perf_counter()
        for id_ in ids:
            claimed = claim(connection, WakeUp("default", id_, 0, 0.0), name, "a worker", 60.0)
            if claimed is None or not remove(connection, id_, None):
                raise SystemExit("A row was not there.")
        return (time.perf_counter() - begin) / len(ids) * 1e6

    return measure
