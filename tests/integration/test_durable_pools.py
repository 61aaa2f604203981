"""Every kind of pool runs durable messages, and gives back what it had not begun when it ends."""

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from django.db import transaction

from deferred_signals.outbox.models import OutboxMessage
from tests.app.models import Run
from tests.support.processes import Process, wait_until

from .durable import (
    KINDS,
    LEASE,
    dead_letters,
    environment,
    many,
    many_of,
    send,
    wait_for_empty_outbox,
)
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .runs import runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

#: Messages of each kind; one of five fails at its first attempt.
COUNT = many(60, 300)


class Pool(NamedTuple):
    """A pool, and the most messages that run in it at once."""

    name: str
    broker: str
    options: tuple[str, ...]
    size: int
    database_options: Mapping[str, object] = MappingProxyType({})


#: Options of pools that start children while they run.
CHANGING = {"--max-tasks-per-child", "--autoscale"}

POOLS = {
    "threads": Pool("6 threads", "rabbitmq", ("-P", "threads", "-c", "6"), 6),
    "greenlets": Pool("20 greenlets", "redis", ("-P", "gevent", "-c", "20"), 20),
    "children_that_are_recycled": Pool(
        "prefork, 2 children, each replaced after 7 tasks",
        "redis",
        ("-P", "prefork", "-c", "2", "--max-tasks-per-child", "7"),
        2,
    ),
    "children_with_a_pool_of_connections": Pool(
        "prefork, 2 children, each replaced after 7 tasks; psycopg's pool of connections",
        "rabbitmq",
        ("-P", "prefork", "-c", "2", "--max-tasks-per-child", "7"),
        2,
        {"pool": {"min_size": 1, "max_size": 4}},
    ),
    "autoscaled_children": Pool(
        "prefork, autoscaled to 4 children", "rabbitmq", ("-P", "prefork", "--autoscale", "4,1"), 4
    ),
}


def with_brokers() -> Iterator[Any]:
    """Give each pool with one broker, or with both in the full version."""
    for name, pool in POOLS.items():
        for broker in many_of(pool.broker):
            yield pytest.param(broker, pool, id=f"{broker}-{name}")


@pytest.mark.parametrize(("node", "pool"), [*with_brokers()], indirect=["node"])
def test_pool_runs_each_message_once_and_repeats_only_what_a_cold_shutdown_cut(
    broker: Broker, pool: Pool, tmp_path: Path, faults: Faults
) -> None:
    """The first worker ends warmly in the middle, the second one coldly, and the third does the rest."""
    needs_the_database_of(pool)
    variables = environment(OUTBOX=LEASE)
    variables["DATABASE_OPTIONS"] = json.dumps(dict(pool.database_options))
    chance = random.Random(11)
    sent: dict[str, list[str]] = {kind: [] for kind in KINDS}
    failing: set[str] = set()
    with transaction.atomic():
        for kind in KINDS * COUNT:
            fails = chance.random() < 0.2
            sent[kind].append(send(kind, "fail" if fails else "sleep", times=1, seconds=0.05))
            failing |= {sent[kind][-1]} if fails else set()
    ids = [id_ for of_kind in sent.values() for id_ in of_kind]
    logs = []
    with worker(broker, tmp_path, "warm", pool.options, **variables) as process:
        wait_for_runs(len(ids) // 3, 60, receiver="succeeded")
        end_warmly(process, pool)
        logs.append(process.logs())
    assert not OutboxMessage.objects.exclude(claimed_by=None).exists()
    with worker(broker, tmp_path, "cold", pool.options, **variables) as process:
        wait_for_runs(2 * len(ids) // 3, 60, receiver="succeeded")
        end_coldly(process, pool)
        logs.append(process.logs())
    with worker(broker, tmp_path, "last", pool.options, **variables) as process:
        wait_for_empty_outbox()
        wait_until(lambda: len(successes()) >= len(ids) - pool.size, 30, "successes are told")
        logs.append(process.logs())
    assert not dead_letters()
    # What was cut between the end of its row and the telling of it is through, and nobody was told.
    assert set(successes().values()) == {1}
    assert set(ids) - successes().keys() <= {run.message_id for run in runs(receiver__in=KINDS)}
    plain = Counter(run.message_id for run in runs(receiver="plain"))
    atomic = Counter(run.message_id for run in runs(receiver="atomic"))
    assert set(atomic.values()) == {1}
    assert len(plain) == len(atomic) == COUNT
    # One that was cut before its first effect has no first failure either.
    raised = failing & {run.message_id for run in runs(receiver="plain", attempt=1)}
    repeated = plain.total() - COUNT - len(raised)
    assert 0 <= repeated <= pool.size
    fault = "a worker is stopped warmly, another one coldly (SIGQUIT), a third does the rest"
    faults.count(fault, pool.name, **sent)
    for log in logs:
        assert "of durable delivery failed" not in log
        assert "has lost its lease" not in log


def successes() -> Counter[str]:
    """Count how often the success of each message was told."""
    return Counter(Run.objects.filter(receiver="succeeded").values_list("message_id", flat=True))


def end_warmly(process: Process, pool: Pool) -> None:
    """Ask a worker to end, and let it finish what it runs.

    While a child is being started, Celery may miss to tell it to end, and wait for it for ever (two of ten
    workers did that replaced their children, with tasks of their own). So supervisors kill what does not end.
    """
    if CHANGING.intersection(pool.options):
        process.stop(15)
    else:
        os.kill(process.pid, signal.SIGTERM)
        wait_until(lambda: not process.alive, 30, "the worker has ended")


def end_coldly(process: Process, pool: Pool) -> None:
    """End a worker without waiting for what it runs.

    A prefork worker may be writing a task to a child just when the signal comes, and Celery then waits for the
    child for ever (one of sixty workers did, with tasks of their own and no other library).
    """
    os.kill(process.pid, signal.SIGQUIT)
    with suppress(TimeoutError) if "prefork" in pool.options else nullcontext():
        wait_until(lambda: not process.alive, 15, "the worker has ended")
    process.kill()


def needs_the_database_of(pool: Pool) -> None:
    """Skip the test where the database is another one."""
    engine = settings.DATABASES["default"]["ENGINE"]
    if pool.database_options and "postgresql" not in engine:
        pytest.skip("Only Django's PostgreSQL engine pools connections.")
    if "gevent" in pool.options and "sqlite" in engine:
        pytest.skip(
            "Whoever waits for a SQLite file stops all greenlets, and so the one that has locked it."
        )
