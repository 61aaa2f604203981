"""Connections that die without a word, or with a reset: what is lost, reported, doubled or late."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from celery.signals import before_task_publish

from deferred_signals.publishing import connection
from deferred_signals.publishing.waiting import MOST_PUBLICATIONS
from deferred_signals.testing import settings
from tests.support.processes import wait_until

from .nodes import Broker, LocalRedis
from .outages import BOUND, Send, Told
from .own_app import on_broker, publishing_to
from .proxy import Proxy

pytestmark = pytest.mark.django_db(transaction=True)

#: Seconds after which the tests' connections count as idle.
IDLE = 0.2

MANY = 2000


@pytest.fixture(autouse=True)
def short_waits() -> Iterator[None]:
    with settings(CONNECT_TIMEOUT=2, BREAKER_COOLDOWN=0.5):
        yield


@pytest.fixture
def soon_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RECENT", IDLE)


def assert_each_came_once(url: str, ids: list[str]) -> None:
    assert sorted(on_broker(url)) == sorted(ids)


@pytest.mark.usefixtures("soon_idle")
@pytest.mark.parametrize(
    "end",
    [Proxy.reset, partial(Proxy.forget, silently=False)],
    ids=["reset", "reset by its next use"],
)
def test_idle_connection_that_was_reset_costs_no_message_and_no_time(
    node: Broker, send: Send, told: Told, end: Callable[[Proxy], None]
) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        ids, _ = send(2)
        time.sleep(2 * IDLE)
        end(proxy)
        more, took = send(3)
        assert told.published == ids + more
        assert told.failed == []
        assert took < BOUND / 2
        assert_each_came_once(node.host_url, ids + more)


@pytest.mark.usefixtures("soon_idle")
def test_idle_connection_that_swallows_everything_delays_one_commit_and_loses_nothing(
    node: Broker, send: Send, told: Told
) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        ids, _ = send(2)
        time.sleep(2 * IDLE)
        proxy.forget(silently=True)
        for most in (BOUND, BOUND / 2, BOUND / 2):
            more, took = send(3)
            assert took < most
            ids += more
        wait_until(lambda: len(told.published) == len(ids), 10, "what was kept is published")
        assert told.failed == []
        assert_each_came_once(node.host_url, ids)


@pytest.mark.usefixtures("soon_idle")
def test_broker_that_was_restarted_behind_an_idle_connection_costs_no_message(
    node: Broker, send: Send, told: Told
) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        send(2)
        on_broker(node.host_url)
        proxy.forget(silently=False)
        node.process.stop()
        node.process.start(timeout=60)
        time.sleep(2 * IDLE)
        told.published.clear()
        ids, took = send(3)
        assert told.published == ids
        assert told.failed == []
        assert took < BOUND / 2
        assert_each_came_once(node.host_url, ids)


def test_connection_in_use_that_was_reset_loses_at_most_the_commit_that_finds_out(
    node: Broker, send: Send, told: Told
) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        ids = [id_ for _ in range(5) for id_ in send(1)[0]]
        proxy.forget(silently=False)
        ids += [id_ for _ in range(5) for id_ in send(1)[0]]
        assert sorted(told.published + told.failed) == sorted(ids)
        assert len(told.failed) <= 1
        found = on_broker(node.host_url)
        assert len(found) == len(set(found))
        assert set(told.published) <= set(found)


@pytest.mark.parametrize("passed", [1_000, 300_000, 900_000])
def test_reset_amid_a_large_commit_loses_at_most_the_batch_that_was_on_its_way(
    node: Broker, send: Send, told: Told, passed: int
) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        before, _ = send(2)
        proxy.reset_after = passed
        ids, took = send(MANY)
        assert took < BOUND + 1  # until the transaction's own two thousand sends are done
        wait_until(
            lambda: len(told.published) + len(told.failed) == MANY + 2, 15, "all fates are told"
        )
        assert proxy.resets == 1
        assert sorted(told.published + told.failed) == sorted(before + ids)
        assert 0 < len(told.failed) <= MOST_PUBLICATIONS
        found = Counter(on_broker(node.host_url))
        assert max(found.values()) == 1
        assert set(told.published) <= found.keys()


def test_messages_whose_answer_is_lost_are_reported_and_never_sent_again(
    node: Broker, send: Send, told: Told
) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        ids, _ = send(2)
        proxy.delay = 0.4
        cut = threading.Timer(0.2, proxy.reset)
        cut.start()
        unknown, _ = send(3)
        cut.join()
        proxy.delay = 0
        after, _ = send(1)
        assert told.failed == unknown
        assert told.published == ids + after
        assert_each_came_once(node.host_url, ids + unknown + after)


@pytest.mark.parametrize("count", [1, 20], ids=["by the commit's thread", "by the line's"])
def test_answer_that_a_commit_still_waits_for_may_take_longer_than_any_other(
    node: Broker, send: Send, told: Told, count: int
) -> None:
    with (
        settings(PUBLISH_TIMEOUT=20, CONNECT_TIMEOUT=1),
        Proxy(node.host_url) as proxy,
        publishing_to(proxy.url),
    ):
        ids, _ = send(1)
        proxy.delay = 2
        more, took = send(count)
        assert took > 2
        assert told.published == ids + more
        assert told.failed == []
        assert_each_came_once(node.host_url, ids + more)


def test_broker_that_answers_one_message_after_another_is_not_silent(
    node: Broker, send: Send, told: Told
) -> None:
    with (
        settings(PUBLISH_TIMEOUT=0.5, CONNECT_TIMEOUT=2, KEEP_FOR=0),
        Proxy(node.host_url) as proxy,
        publishing_to(proxy.url),
        each_alone(),
    ):
        ids, _ = send(1)
        proxy.drip = 0.05
        began = time.monotonic()
        more, took = send(20)
        assert took < BOUND
        wait_until(lambda: len(told.published + told.failed) == 21, 30, "all fates")
        assert (sorted(told.published), told.failed) == (sorted(ids + more), [])
        if isinstance(node, LocalRedis):  # RabbitMQ may confirm several messages by one answer
            assert time.monotonic() - began > 3
        proxy.drip = 0
        assert_each_came_once(node.host_url, ids + more)


@contextmanager
def each_alone() -> Iterator[None]:
    """Have each message published by a command of its own: something of Celery's listens to it."""

    def hear(**kwargs: object) -> None: ...

    before_task_publish.connect(hear)
    try:
        yield
    finally:
        before_task_publish.disconnect(hear)
