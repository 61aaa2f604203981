"""Workers that outlive one test, or differ from one another: for tests that start their own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.db import connections
from django.test import override_settings

from deferred_signals.testing import live
from tests.app import told
from tests.project.celery import app
from tests.project.databases import database_url
from tests.project.settings import transport_options
from tests.support.processes import Process

from .conftest import forget_connections, worker_command
from .nodes import Broker, LocalRedis
from .residents import dismiss


@contextmanager
def published_to(broker: Broker) -> Iterator[None]:
    """Publish what this process sends in the block to a broker, which is empty at first.

    What is told of messages in this process is noted meanwhile.
    """
    url = broker.host_url
    dismiss(url)  # the worker that stays for other tests would take our messages
    broker.clean(*(() if isinstance(broker, LocalRedis) else app.amqp.queues))
    with (
        override_settings(
            CELERY_BROKER_URL=url, CELERY_BROKER_TRANSPORT_OPTIONS=transport_options(url)
        ),
        live(),  # for fixtures of a module, which are made before those of a test
    ):
        forget_connections(app)
        told.connect()
        try:
            yield
        finally:
            told.disconnect()
            (app.conf.changes or {}).pop("broker_url", None)
            forget_connections(app)


@contextmanager
def worker(
    broker: Broker,
    folder: Path,
    name: str = "own",
    options: Sequence[str] = (),
    **environment: str,
) -> Iterator[Process]:
    """Run a worker with one child until the end of the block. A test that fails shows its log."""
    process = Process(
        name,
        worker_command(name, "-P", "prefork", "-c", "1", *options),
        env={
            "BROKER_URL": broker.host_url,
            "DATABASE_URL": database_url(connections["default"].settings_dict),
            "OTHER_DATABASE_URL": database_url(connections["other"].settings_dict),
            "PYTHONUNBUFFERED": "1",
            **environment,
        },
        log=folder / f"{name}.log",
        ready=" ready.",
    )
    try:
        process.start()
        yield process
    finally:
        process.kill()
        print(process.logs())  # noqa: T201 - pytest shows it where a test failed
