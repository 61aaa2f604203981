"""The library under the permissions that docs/permissions.md names, of a sender and of a worker."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.test import override_settings

from tests.app.fault_receivers import recovers, waits_to_be_killed
from tests.project.celery import app

from .nodes import Broker, LocalRabbitMQ, LocalRedis, needs_local_broker
from .runs import defer, wait_for_runs
from .workers import forget_connections, worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    needs_local_broker,
]

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"


def documented(program: str) -> list[list[str]]:
    """Return the arguments of each command of a program on the page."""
    found = re.findall(rf"^{program} (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(found) == 2
    return [shlex.split(command) for command in found]


@contextmanager
def documented_users(broker: Broker) -> Iterator[tuple[str, str]]:
    """Give the URLs of the page's users, the sender and the worker, until the end of the block."""
    if isinstance(broker, LocalRedis):
        users, scheme, path = redis_users(broker), "redis", "/0"
    else:
        users, scheme, path = rabbitmq_users(broker), "amqp", "//"
    server = f"127.0.0.1:{broker.port}{path}"
    with users:
        yield f"{scheme}://web:secret@{server}", f"{scheme}://worker:secret@{server}"


@contextmanager
def redis_users(broker: LocalRedis) -> Iterator[None]:
    with broker.client as client:
        try:
            for command in documented("redis-cli"):
                client.execute_command(*command)
            yield
        finally:
            client.execute_command("ACL", "DELUSER", "web", "worker")


@contextmanager
def rabbitmq_users(broker: LocalRabbitMQ) -> Iterator[None]:
    try:
        for user in ("web", "worker"):
            broker.control("add_user", user, "secret")
        for command in documented("rabbitmqctl"):
            broker.control(*command)
        yield
    finally:
        for user in ("web", "worker"):
            broker.control("delete_user", user)


@contextmanager
def sending_to(url: str) -> Iterator[None]:
    """Send by a connection of its own in the block."""
    with override_settings(CELERY_BROKER_URL=url):
        forget_connections(app)
        yield
    forget_connections(app)


def test_sender_and_worker_need_no_more_than_the_page_says(broker: Broker, tmp_path: Path) -> None:
    with (
        documented_users(broker) as (web, own_user),
        worker(
            broker,
            tmp_path,
            quiet=(),
            options=("-E",),
            BROKER_URL=own_user,
            TESTS_APP_MODULES="tests.app.fault_receivers",
            TRANSPORT_OPTIONS=json.dumps({"visibility_timeout": 3}),
        ) as own,
        sending_to(web),
    ):
        recovering = defer(recovers)
        wait_for_runs(3, message_id=recovering)
        interrupted = defer(waits_to_be_killed)
        wait_for_runs(1, message_id=interrupted)
        own.kill()
        own.start()
        wait_for_runs(2, message_id=interrupted)  # with a seal, as it is redelivered
        log = own.logs()
        assert "refuses" not in log
        assert "NoPermission" not in log
        assert "ACCESS_REFUSED" not in log
