"""Relays of real workers on real brokers: what they publish, what they find, and how they end."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.publishing.queues import has_ready
from tests.app.durable_receivers import SIGNALS
from tests.app.models import Run
from tests.project.celery import app
from tests.support.connected import deferred
from tests.support.processes import wait_until

from .durable import many
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .outages import ALLOWANCE
from .own_app import publishing_to
from .proxy import Proxy
from .queues import declare, received, take_off, waiting
from .runs import runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    needs_local_broker,
]

KINDS = ("plain", "aside")

LEASE = 1.0
OUTBOX = {"LEASE": LEASE, "RELAY_INTERVAL": 0.2}


def environment(**outbox: Any) -> dict[str, str]:
    return {
        "DEFERRED_SIGNALS": json.dumps({"CONNECT_TIMEOUT": 1, "OUTBOX": {**OUTBOX, **outbox}}),
        "TESTS_APP_MODULES": "tests.app.durable_receivers",
    }


@pytest.fixture(autouse=True)
def short_leases() -> Iterator[None]:
    with override_settings(DEFERRED_SIGNALS={"OUTBOX": OUTBOX}):
        yield


def send(kind: str, does: str = "sleep", times: int = 9, **kwargs: Any) -> str:
    kwargs.setdefault("seconds", 0.04)
    [found] = deferred(SIGNALS[kind].send(None, does=does, times=times, **kwargs))
    return found.id


def runs_of(**filters: Any) -> list[Run]:
    """Return the runs of the receivers, without what was told of them."""
    return runs(receiver__in=KINDS, **filters)


def wait_for_empty_outbox(timeout: float = 30) -> None:
    wait_until(lambda: not OutboxMessage.objects.exists(), timeout, "all is through")


def test_backlog_is_woken_up_once_and_what_was_lost_is_found(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    """In a queue that is never empty, with messages of two priorities."""
    declare(app)
    lost = {kind: [send(kind) for _ in range(2)] for kind in KINDS}
    found = [id_ for of_kind in lost.values() for id_ in of_kind]
    take_off(app, len(found))
    ids = {kind: [send(kind) for _ in range(many(75, 1000))] for kind in KINDS}
    queued: list[int | None] = []
    with (
        worker(broker, tmp_path, "one", **environment()) as one,
        worker(broker, tmp_path, "other", **environment()) as other,
    ):
        until = time.monotonic() + many(20, 300)
        while len(runs_of(message_id__in=found)) < len(found) and time.monotonic() < until:
            queued.append(waiting(app))
            if (queued[-1] or 0) < 30:
                for kind in KINDS:
                    ids[kind] += [send(kind) for _ in range(5)]
            time.sleep(0.05)
        wait_for_empty_outbox(30)
        messages = received(one, other) + len(found)
    assert all(queued)
    ran = Counter(run.message_id for run in runs_of())
    sent = {kind: ids[kind] + lost[kind] for kind in KINDS}
    assert ran == Counter(id_ for of_kind in sent.values() for id_ in of_kind)
    assert messages <= 1.1 * len(ran)
    fault = "some wake-ups of two priorities are lost in a queue that is never empty"
    faults.count(fault, "2 workers, prefork, 1 child", **sent)


def test_question_whether_a_queue_is_empty_ends_where_the_broker_hangs(node: Broker) -> None:
    with (
        Proxy(node.host_url) as proxy,
        override_settings(DEFERRED_SIGNALS={"CONNECT_TIMEOUT": 0.3}),
        publishing_to(proxy.url),
    ):
        assert has_ready("tests.nowhere") is False
        proxy.silent = True
        began = time.monotonic()
        with pytest.raises((OSError, RedisError, OperationalError)):
            has_ready("tests.nowhere")
        assert time.monotonic() - began < 2 + ALLOWANCE


#: One broker is enough where the table decides.
on_redis = pytest.mark.parametrize("node", ["redis"], indirect=True)
on_rabbitmq = pytest.mark.parametrize("node", ["rabbitmq"], indirect=True)


@on_rabbitmq
def test_worker_without_a_relay_renews_and_the_task_of_beat_wakes_up(
    broker: Broker, tmp_path: Path
) -> None:
    options = environment(RELAY_IN_WORKER=False)
    with worker(broker, tmp_path, "own", ("-c", "2"), **options):
        long, again = send("plain", seconds=4 * LEASE), send("plain", "later", 1, after=0.3)
        wait_for_runs(2, receiver__in=KINDS)
        time.sleep(3 * LEASE)
        assert [run.attempt for run in runs_of(message_id=again)] == [1]
        app.send_task("deferred_signals.relay")
        wait_for_empty_outbox()
    assert [run.attempt for run in runs_of(message_id=again)] == [1, 2]
    assert [run.attempt for run in runs_of(message_id=long)] == [1]


def test_relay_and_renewals_outlive_a_broker_that_hangs(broker: Broker, tmp_path: Path) -> None:
    """What runs keeps its lease meanwhile, and what is due runs when the broker is back."""
    with (
        Proxy(broker.host_url) as proxy,
        worker(proxy, tmp_path, **environment()) as process,
    ):
        again = send("plain", "later", 1, after=60)
        wait_for_runs(1, receiver__in=KINDS)
        long = send("plain", seconds=4 * LEASE)
        wait_for_runs(2, receiver__in=KINDS)
        proxy.silent = True
        OutboxMessage.objects.filter(pk=again).update(due_at=timezone.now())
        time.sleep(2.5 * LEASE)
        row = OutboxMessage.objects.get(pk=long)
        assert row.claimed_by
        assert row.due_at is not None
        assert row.due_at > timezone.now()
        proxy.silent = False
        proxy.go_away()
        proxy.come_back()
        wait_for_empty_outbox(40)
        logs = process.logs()
    assert [run.attempt for run in runs_of(message_id=long)] == [1]
    assert [run.attempt for run in runs_of(message_id=again)] == [1, 2]
    assert logs.count("cannot be published") == 1
    assert "of durable delivery failed" not in logs


@on_redis
def test_worker_that_is_stopped_ends_its_threads_in_time(broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **environment()) as process:
        ids = [send("plain") for _ in range(5)]
        wait_for_runs(1, receiver__in=KINDS)
        began = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        wait_until(lambda: not process.alive, 10, "the worker ends")
        assert time.monotonic() - began < 5
    ran = Counter(run.message_id for run in runs_of())
    assert set(ran.values()) == {1}
    assert ran.keys() | {str(row.pk) for row in OutboxMessage.objects.all()} == set(ids)
    assert not OutboxMessage.objects.exclude(claimed_by=None).exists()
