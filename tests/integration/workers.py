"""Workers that a test starts itself, when it wants several, others, or one for many tests."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import kombu.pools
from celery import Celery
from django.db import connections
from django.test import override_settings

from deferred_signals.testing import live
from tests.app import builtin_receivers
from tests.project.celery import app
from tests.project.databases import database_url
from tests.project.settings import transport_options
from tests.support.processes import Process

from .kept_workers import end_kept_worker
from .nodes import Broker, LocalRedis, LocalWorker


def forget_connections(app: Celery) -> None:
    """Drop the connections that the app opened under other settings."""
    kombu.pools.reset()
    # What Celery itself does in a fork, to forget the connections of the parent.
    app._after_fork()  # type: ignore[attr-defined]  # noqa: SLF001


def make_worker(
    name: str, options: Sequence[str], env: Mapping[str, str], folder: Path
) -> LocalWorker:
    """Make a worker as a node of pytest-celery; the caller starts and ends it."""
    command = worker_command(name, *options)
    return LocalWorker(Process(name, command, env=env, log=folder / f"{name}.log", ready=" ready."))


#: Options that leave out the chatter among workers, which takes a second.
QUIET = ("--without-gossip", "--without-mingle")


def worker_command(name: str, *options: str, quiet: Sequence[str] = QUIET) -> list[str]:
    """Return the command for a worker."""
    celery = (sys.executable, "-m", "celery", "-A", "tests.project")
    return [*celery, "worker", "-n", f"celery@{name}", "-l", "INFO", *quiet, *options]


@contextmanager
def published_to(broker: Broker) -> Iterator[None]:
    """Publish what this process sends in the block to a broker, which is empty at first.

    The receivers of `tests.app.builtin_receivers` are connected meanwhile.
    """
    url = broker.host_url
    end_kept_worker(url)  # the worker that stays for other tests would take our messages
    broker.clean(*(() if isinstance(broker, LocalRedis) else app.amqp.queues))
    with (
        override_settings(
            CELERY_BROKER_URL=url, CELERY_BROKER_TRANSPORT_OPTIONS=transport_options(url)
        ),
        live(),  # for fixtures of a module, which are made before those of a test
    ):
        forget_connections(app)
        builtin_receivers.connect()
        try:
            yield
        finally:
            builtin_receivers.disconnect()
            (app.conf.changes or {}).pop("broker_url", None)
            forget_connections(app)


class Reachable(Protocol):
    """A broker, or a proxy before one."""

    @property
    def host_url(self) -> str:
        """Return its URL."""


@contextmanager
def worker(
    broker: Reachable,
    folder: Path,
    name: str = "own",
    options: Sequence[str] = (),
    quiet: Sequence[str] = QUIET,
    **environment: str,
) -> Iterator[Process]:
    """Run a worker until the end of the block, of one child unless the options name another pool.

    A test that fails shows its log.
    """
    usual = {"-P": "prefork", "-c": "1"}
    pool = [text for name in usual.keys() - {*options} for text in (name, usual[name])]
    process = Process(
        name,
        worker_command(name, *pool, *options, quiet=quiet),
        env=services(broker) | environment,
        log=folder / f"{name}.log",
        ready=" ready.",
    )
    try:
        process.start()
        yield process
    finally:
        process.kill()
        print(process.logs())  # noqa: T201 - pytest shows it where a test failed


def services(broker: Reachable) -> dict[str, str]:
    """Make the environment of a process that uses the test's broker and databases."""
    return {
        "BROKER_URL": broker.host_url,
        "DATABASE_URL": database_url(connections["default"].settings_dict),
        "OTHER_DATABASE_URL": database_url(connections["other"].settings_dict),
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def command(
    broker: Reachable, folder: Path, name: str, *arguments: str, **environment: str
) -> Iterator[Process]:
    """Run `manage.py deferred_outbox` as a process until the end of the block; the caller starts it.

    A test that fails shows its log.
    """
    process = Process(
        name,
        [sys.executable, "-m", "django", "deferred_outbox", *arguments],
        env=services(broker) | environment,
        log=folder / f"{name}.log",
        ready="",
    )
    try:
        yield process
    finally:
        process.kill()
        print(process.logs())  # noqa: T201 - pytest shows it where a test failed
