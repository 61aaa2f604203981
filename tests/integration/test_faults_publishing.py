"""Faults of the broker at the commit: how long a request is delayed, what is lost, what is reported.

Each test has a Celery app, and so a line to the broker, of its own.
"""

import logging
import signal as signals
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test import override_settings

from deferred_signals.publishing.lines import line_of
from deferred_signals.testing import settings
from tests.support.processes import free_port, wait_until

from .nodes import Broker, LocalRabbitMQ
from .outages import ALLOWANCE, BOUND, Send, Told, assert_open, assert_recovers
from .own_app import on_broker, publishing_to
from .proxy import Proxy

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def short_cooldown() -> Iterator[None]:
    with settings(BREAKER_COOLDOWN=0.5, KEEP_FOR=0, CONNECT_TIMEOUT=1):
        yield


@pytest.fixture
def long_cooldown() -> Iterator[None]:
    with settings(BREAKER_COOLDOWN=60, KEEP_FOR=0, CONNECT_TIMEOUT=1):
        yield


@pytest.mark.usefixtures("long_cooldown")
@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:{closed}",
        "amqp://127.0.0.1:{closed}",
        "redis://nowhere.invalid",
        "amqp://nowhere.invalid",
    ],
)
def test_broker_that_is_not_there_fails_no_request(
    url: str, send: Send, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    with publishing_to(url.format(closed=free_port())):
        ids, took = send(3)
        assert took < BOUND
        told.wait_for_failures(ids)
        assert_open(send, told)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    key = "deferred_message_id"
    assert [vars(record)[key] for record in errors if key in vars(record)] == told.failed
    assert told.published == []


@pytest.mark.usefixtures("long_cooldown")
def test_broker_that_never_answers_holds_up_one_request_once(
    node: Broker, send: Send, told: Told
) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        proxy.silent = True
        ids, took = send(3)
        assert 0.9 < took < BOUND
        told.wait_for_failures(ids)
        assert isinstance(told.causes[0], TimeoutError)
        assert_open(send, told)


def test_many_requests_at_once_are_held_up_together(node: Broker, send: Send, told: Told) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url) as app:
        proxy.silent = True

        def request(_: int) -> None:
            app.set_current()
            send(1)
            connections.close_all()

        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(request, range(4)))
        assert time.monotonic() - began < BOUND
    wait_until(lambda: len(told.failed) == 4, 15, "four failures")


def test_broker_whose_every_reply_is_late_is_waited_for_within_bounds(
    node: Broker, send: Send, told: Told
) -> None:
    # Each reply takes most of the patience, and a connection takes a dozen replies.
    with (
        settings(PUBLISH_TIMEOUT=0.3, BREAKER_COOLDOWN=0.5),
        Proxy(node.host_url) as proxy,
        publishing_to(proxy.url),
    ):
        proxy.delay = 0.2
        _, took = send(3)
        assert took < 0.3 + ALLOWANCE
        assert_recovers(send, told, node.host_url, timeout=40, count=1)


def test_next_broker_of_a_list_takes_over(node: Broker, send: Send, told: Told) -> None:
    with Proxy(node.host_url) as proxy:
        proxy.silent = True
        urls = [
            f"{node.host_url.partition(':')[0]}://127.0.0.1:{free_port()}",
            proxy.url,
            node.host_url,
        ]
        with publishing_to(";".join(urls)):
            assert_recovers(send, told, node.host_url)


def test_broker_that_freezes_on_a_live_connection_delays_one_request_within_bounds(
    node: Broker, send: Send, told: Told
) -> None:
    with publishing_to(node.host_url):
        before, _ = send(2)
        assert told.published == before
        node.process.signal(signals.SIGSTOP)
        try:
            ids, took = send(3)
            assert took < BOUND
            told.wait_for_failures(ids)
            assert_open(send, told)
        finally:
            node.process.signal(signals.SIGCONT)
        assert_recovers(send, told, node.host_url)


@pytest.mark.parametrize("node", ["rabbitmq"], indirect=True)
def test_rabbitmq_that_takes_no_messages_lets_everybody_connect_and_confirms_nothing(
    node: LocalRabbitMQ, send: Send, told: Told
) -> None:
    with publishing_to(node.host_url):
        before, _ = send(2)
        assert told.published == before
        with node.blocked():
            ids, took = send(3)
            assert took < BOUND
            told.wait_for_failures(ids)
            for _ in range(3):  # the broker is tried meanwhile
                time.sleep(0.5)
                assert_open(send, told)
        assert_recovers(send, told, node.host_url)


@pytest.mark.parametrize("node", ["redis"], indirect=True)
def test_setting_that_is_wrong_for_a_while_does_not_end_the_search_for_the_broker(
    node: Broker, send: Send, told: Told
) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        proxy.silent = True
        ids, _ = send(1)
        told.wait_for_failures(ids)
        with override_settings(DEFERRED_SIGNALS={"PUBLISH_TIMEOUT": "soon"}):
            time.sleep(2)
        proxy.silent = False
        assert_recovers(send, told, node.host_url)


def test_breaker_that_opens_while_all_is_well_again_closes(
    node: Broker, send: Send, told: Told
) -> None:
    """A commit may give up in the very moment in which its answer comes."""
    with publishing_to(node.host_url) as app:
        send(1)
        line_of(app)._work.open(TimeoutError())  # noqa: SLF001 - no broker hits that moment at will
        assert_recovers(send, told, node.host_url)


def test_connection_that_is_cut_amid_a_batch_leaves_no_message_untold(
    node: Broker, send: Send, told: Told
) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        send(2)
        proxy.cut_after = 200_000
        ids, took = send(1000)
        assert took < BOUND + 1
        # What the broker said is known; the rest is told, whether it arrived or not.
        assert set(told.published) | set(told.failed) >= set(ids)
        assert set(told.published).isdisjoint(told.failed)
        assert told.failed
        proxy.cut_after = None
        assert_recovers(send, told, node.host_url)


def test_broker_that_is_killed_amid_a_batch_comes_back(
    node: Broker, send: Send, told: Told
) -> None:
    with publishing_to(node.host_url):
        send(2)
        killer = threading.Timer(0.15, node.process.kill)
        killer.start()
        while killer.is_alive():
            _, took = send(500)
            assert took < BOUND + 1
        ids, took = send(2)
        assert took < BOUND
        assert told.failed[-2:] == ids
        node.process.start(timeout=60)
        on_disk = set(told.published) if isinstance(node, LocalRabbitMQ) else set()
        told.published.clear()
        sent_after = wait_for_publishing(send, told)
        found = Counter(on_broker(node.host_url))
        assert on_disk | sent_after <= found.keys()  # confirmed means kept
        assert max(found.values()) == 1


def wait_for_publishing(send: Send, told: Told) -> set[str]:
    wait_until(lambda: send(1)[0] == told.published[-1:], 20, "publishing again")
    return set(told.published)


def test_connection_that_the_broker_closed_meanwhile_costs_no_message(
    node: Broker, send: Send, told: Told
) -> None:
    with publishing_to(node.host_url):
        send(1)
        on_broker(node.host_url)
        node.process.stop()
        node.process.start(timeout=60)
        told.published.clear()
        ids, _ = send(2)
        assert told.published == ids
        assert sorted(on_broker(node.host_url)) == sorted(ids)


def test_many_threads_publish_over_one_line(node: Broker, send: Send, told: Told) -> None:
    # Threads that commit 600 messages each may wait for a busy machine.
    with settings(PUBLISH_TIMEOUT=20), publishing_to(node.host_url) as app:

        def request(count: int) -> list[str]:
            app.set_current()
            ids = [id_ for _ in range(5) for id_ in send(count)[0]]
            connections.close_all()
            return ids

        with ThreadPoolExecutor(6) as pool:
            ids = [id_ for sent in pool.map(request, [1, 2, 3, 1, 2, 600]) for id_ in sent]
        lines = [t for t in threading.enumerate() if t.name == "deferred_signals.line" and t.daemon]
        assert lines
        assert told.failed == []
        assert sorted(on_broker(node.host_url)) == sorted(ids)
