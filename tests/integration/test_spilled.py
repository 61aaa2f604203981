"""Commit delivery where the outbox is installed: what could not be published runs once, all the same.

Senders publish through a proxy that is away for longer than they keep messages, or until they end.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connections, transaction
from kombu import Queue

from deferred_signals.outbox.models import OutboxMessage
from tests.app.passing_receivers import passes_on
from tests.project.databases import database_url
from tests.support.connected import Connected
from tests.support.ledger import noted, noted_so_far
from tests.support.processes import Process, wait_until

from .durable import SETTINGS, wait_for_empty_outbox
from .nodes import Broker, LocalRabbitMQ, LocalRedis, needs_local_broker
from .outages import Send, Told
from .own_app import on_broker, publishing_to
from .proxy import Proxy
from .runs import defer, runs, wait_for_runs
from .topics import one_topic_allowed
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    needs_local_broker,
]


def environment(**settings: object) -> dict[str, str]:
    settings = {"BREAKER_COOLDOWN": 0.3, "CONNECT_TIMEOUT": 1, **SETTINGS, **settings}
    return {
        "DEFERRED_SIGNALS": json.dumps(settings),
        "TESTS_APP_MODULES": "tests.app.fault_receivers",
    }


class Sender:
    """A process that commits messages through a proxy, and its ledger."""

    def __init__(self, proxy: Proxy, folder: Path, seconds: float, **settings: object) -> None:
        self._ledger = folder / "ledger"
        self.process = Process(
            "sender",
            [sys.executable, "-m", "tests.integration.spilling_program", str(seconds)],
            env={
                "BROKER_URL": proxy.url,
                "DATABASE_URL": database_url(connections["default"].settings_dict),
                "LEDGER": str(self._ledger),
                "PYTHONPATH": str(Path(__file__).parents[2]),
                **environment(**settings),
            },
            log=folder / "sender.log",
            ready="",
        )

    def wait_for(self, what: str, count: int) -> None:
        """Wait until so many messages are noted: sent, published, or kept."""
        wait_until(lambda: noted_so_far(self._ledger, what) >= count, 40, f"{count} {what}")

    def wait_for_end(self) -> None:
        wait_until(lambda: not self.process.alive, 40, "the sender ends")
        assert self.process.exit_code == 0

    def of(self, what: str) -> list[str]:
        """Return the ids of the messages that were sent, published, kept, or are not known to be there."""
        return noted(self._ledger, what)


@contextmanager
def sending(proxy: Proxy, folder: Path, seconds: float, **settings: object) -> Iterator[Sender]:
    sender = Sender(proxy, folder, seconds, **settings)
    try:
        sender.process.start()
        yield sender
    finally:
        sender.process.kill()
        print(sender.process.logs())  # noqa: T201 - pytest shows it where a test failed


def ran() -> Counter[str]:
    """Count the runs of each message."""
    return Counter(run.message_id for run in runs(receiver="leaves_a_row"))


def test_outage_that_is_longer_than_anything_is_kept_loses_and_doubles_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    with Proxy(broker.host_url) as proxy, worker(broker, tmp_path, **environment()):
        proxy.go_away()
        with sending(proxy, tmp_path, 7, KEEP_FOR=0.5) as sender:
            sender.wait_for("kept", 25)
            assert not sender.of("failed")
            proxy.come_back()
            sender.wait_for("published", 10)
            proxy.go_away()
            sender.wait_for("kept", 40)
            proxy.come_back()
            sender.wait_for_end()
        # What was on its way when the proxy went away for the second time may have arrived or not.
        sent, unknown = set(sender.of("sent")), set(sender.of("failed"))
        assert len(unknown) <= 4
        wait_for_runs(len(sent) - len(unknown), 30, receiver="leaves_a_row")
        wait_for_empty_outbox()
    assert len(sent) > 80
    assert sent - unknown <= ran().keys() <= sent
    assert set(ran().values()) == {1}
    assert not set(sender.of("kept")) & set(sender.of("published"))


@pytest.mark.parametrize("ends", ["by itself", "by SIGTERM"])
def test_process_that_ends_leaves_what_it_kept_to_a_relay(
    broker: Broker, tmp_path: Path, ends: str
) -> None:
    with Proxy(broker.host_url) as proxy:
        proxy.go_away()
        with sending(proxy, tmp_path, 2 if ends == "by itself" else 60) as sender:
            sender.wait_for("sent", 20)
            assert not sender.of("kept")
            if ends == "by SIGTERM":
                os.kill(sender.process.pid, signal.SIGTERM)
            sender.wait_for_end()
        sent = sender.of("sent")
        assert (sender.of("published"), sender.of("failed")) == ([], [])
        assert set(sent) <= set(sender.of("kept"))  # a thread may have committed at the very end
        assert OutboxMessage.objects.filter(attempt=0, woken_at=None).count() >= len(sent)
    with worker(broker, tmp_path, **environment()):
        wait_for_empty_outbox()
    assert set(sent) <= ran().keys() <= set(sender.of("kept"))
    assert set(ran().values()) == {1}


def test_child_of_a_worker_that_shuts_down_leaves_what_it_kept_to_another_workers_relay(
    broker: Broker, tmp_path: Path
) -> None:
    with Proxy(broker.host_url) as proxy:
        proxy.go_away()
        modules = {"TESTS_APP_MODULES": "tests.app.passing_receivers"}
        through = {**environment(), **modules, "CHILDREN_PUBLISH_TO": proxy.url}
        with worker(broker, tmp_path, "first", **through) as first:
            for number in range(10):
                defer(passes_on, number=number)
            wait_for_runs(10, 30, receiver="passes_on")
            assert not OutboxMessage.objects.exists()
            first.stop(30)
    rows = OutboxMessage.objects.filter(receiver="tests.leaves_a_row", attempt=0)
    assert rows.count() == 10
    with worker(broker, tmp_path, "second", **environment()):
        wait_for_empty_outbox()
    assert len(ran()) == 10
    assert set(ran().values()) == {1}


# Refusals, which a broker answers with certainty or not.


def spilled() -> set[str]:
    return {str(id_) for id_ in OutboxMessage.objects.values_list("id", flat=True)}


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("node", ["redis"], indirect=True)
def test_redis_without_memory_loses_nothing(node: LocalRedis, send: Send, told: Told) -> None:
    with publishing_to(node.host_url), node.client as client:
        before, _ = send(2)
        client.config_set("maxmemory", 1)
        try:
            refused = [id_ for count in (1, 3, 600) for id_ in send(count)[0]]
            told.wait_for_failures(refused)
        finally:
            client.config_set("maxmemory", 0)
        assert spilled() == set(refused)
        assert sorted(on_broker(node.host_url)) == sorted(before)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("node", ["rabbitmq"], indirect=True)
def test_full_queue_of_rabbitmqs_loses_nothing(node: LocalRabbitMQ, send: Send, told: Told) -> None:
    limit = {"x-max-length": 3, "x-overflow": "reject-publish"}
    queue = Queue("full", queue_arguments=limit)
    with publishing_to(node.host_url) as app:
        app.conf.update(task_default_queue="full", task_queues=[queue])
        try:
            ids, _ = send(5)
            told.wait_for_failures(ids[3:])
        finally:
            with app.connection_for_write() as connection:
                queue(connection.default_channel).delete()
    assert spilled() == set(ids[3:])


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("node", ["rabbitmq"], indirect=True)
def test_message_that_may_have_arrived_before_a_refused_one_is_not_spilled(
    node: LocalRabbitMQ, defer: Connected, told: Told
) -> None:
    with one_topic_allowed(node, defer) as send:
        sent = send("allowed", 1)
        with transaction.atomic():
            sent += send("allowed", 100)
            refused = send("forbidden", 1)
            sent += send("allowed", 100)
        wait_until(
            lambda: len({*told.published, *told.failed}) == 202, 15, "all messages are told of"
        )
        arrived = on_broker(node.host_url)
    assert spilled() == set(refused)
    assert sorted(arrived) == sorted(sent)
