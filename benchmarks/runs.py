"""The benchmarks. Each runs in a process of its own, so that settings and patches do not mix."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from typing import TYPE_CHECKING

import django

from benchmarks.services import MARIADB, POSTGRES, RABBITMQ, REDIS

if TYPE_CHECKING:
    from benchmarks.results import Costs, Ratios
    from benchmarks.services import Service

__all__ = ["RUNS", "Run", "measure"]


@dataclass(frozen=True)
class Run:
    """One benchmark on one broker.

    Attributes:
        name: its name on the command line.
        module: a module of `benchmarks`; its ``measure(quick=...)`` returns a `Ratios` or `Costs`.
        broker: the broker that the project uses.
        apps: Django apps beside those of the project.
        database: the server of the project's database; None: SQLite, in a file.
    """

    name: str
    module: str
    broker: Service = REDIS
    apps: tuple[str, ...] = ()
    database: Service | None = POSTGRES


#: The app of durable delivery, and its peer.
OUTBOX, PEER = "deferred_signals.outbox", "django_celery_outbox"

#: As the outbox asks for SQLite. A benchmark makes a file of its own.
SQLITE = (
    "sqlite:////no/database?transaction_mode=IMMEDIATE&init_command=PRAGMA%20journal_mode%3DWAL"
)

RUNS = (
    Run("redis", "publishing"),
    Run("rabbitmq", "publishing", RABBITMQ),
    Run("sentry", "with_sentry"),
    Run("redis-limit", "limits"),
    Run("rabbitmq-limit", "limits", RABBITMQ),
    Run("outage", "outage"),
    Run("redis-first", "first"),
    Run("rabbitmq-first", "first", RABBITMQ),
    Run("redis-latency", "latency"),
    Run("rabbitmq-latency", "latency", RABBITMQ),
    Run("chunks", "chunks"),
    Run("worker", "workers"),
    Run("celery-signal-receivers", "peer_receivers"),
    Run("django-celery-outbox", "peer_outbox", apps=(PEER,)),
    Run("durable-postgresql", "durable_sends", apps=(OUTBOX,)),
    Run("durable-mariadb", "durable_sends", apps=(OUTBOX,), database=MARIADB),
    Run("durable-sqlite", "durable_sends", apps=(OUTBOX,), database=None),
    Run("durable-redis", "durable_peer", apps=(OUTBOX, PEER)),
    Run("durable-rabbitmq", "durable_peer", RABBITMQ, apps=(OUTBOX, PEER)),
    Run("durable-worker", "durable_runs", apps=(OUTBOX,)),
    Run("durable-messages", "durable_messages", apps=(OUTBOX,)),
    Run("scale", "scale", apps=(OUTBOX,)),
    Run("durable-order", "order", apps=(OUTBOX,)),
    Run("send", "send"),
    Run("telemetry", "telemetry"),
    Run("import", "imports"),
    Run("codec", "codec"),
)


def measure(run: Run, *, quick: bool) -> Ratios | Costs:
    """Run the benchmark in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, run, quick=quick).result()


def _measure(run: Run, *, quick: bool) -> Ratios | Costs:
    # For this process and the workers that it starts.
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "benchmarks.project.settings",
        "DATABASE_URL": run.database.url if run.database else SQLITE,
        "BROKER_URL": run.broker.url,
        "REDIS_URL": REDIS.url,
        "BENCHMARKS_QUEUE": f"benchmarks_{os.getpid()}",
        "BENCHMARKS_APPS": ",".join(run.apps),
    }
    django.setup()
    table: Ratios | Costs = import_module(f"benchmarks.{run.module}").measure(quick=quick)
    return table
