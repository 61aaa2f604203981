"""A broker that refuses the question whether it takes messages: a refusal is an answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kombu import Connection, Exchange, Queue

from deferred_signals.publishing import connection
from deferred_signals.testing import settings

from .nodes import LocalRabbitMQ, needs_local_broker
from .outages import BOUND, Send, Told, assert_open
from .own_app import QUEUE, on_broker, publishing_to
from .proxy import Proxy

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("node", ["rabbitmq"], indirect=True),
    needs_local_broker,
]


@contextmanager
def publishing_without_the_default_exchange(node: LocalRabbitMQ) -> Iterator[Proxy]:
    """Publish through a proxy to an exchange of the test's, as a user who may use no other one."""
    with Connection(node.host_url) as admin:
        Queue(QUEUE, Exchange(QUEUE), routing_key=QUEUE)(admin.default_channel).declare()
    with node.only_for(QUEUE) as url, Proxy(url) as proxy, publishing_to(proxy.url) as app:
        app.conf.task_routes = {"*": {"exchange": QUEUE, "routing_key": QUEUE}}
        yield proxy


def test_idle_connection_whose_proof_is_refused_goes_on(
    node: LocalRabbitMQ, send: Send, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RECENT", 0.1)
    with publishing_without_the_default_exchange(node):
        ids, _ = send(2)
        for _ in range(3):
            time.sleep(0.2)
            more, took = send(2)
            assert took < BOUND / 2
            ids += more
        assert told.published == ids
        assert told.failed == []
    assert sorted(on_broker(node.host_url)) == sorted(ids)


def test_breaker_closes_though_the_probe_is_refused(
    node: LocalRabbitMQ, send: Send, told: Told
) -> None:
    with (
        settings(BREAKER_COOLDOWN=0.2, KEEP_FOR=0, CONNECT_TIMEOUT=1),
        publishing_without_the_default_exchange(node) as proxy,
    ):
        send(1)
        proxy.silent = True
        lost, took = send(2)
        assert took < BOUND
        told.wait_for_failures(lost)
        assert_open(send, told)
        proxy.go_away()
        proxy.silent = False
        proxy.come_back()
        deadline = time.monotonic() + 10
        while (ids := send(1)[0]) != told.published[-1:]:
            assert time.monotonic() < deadline, "the breaker stays open"
            time.sleep(0.05)
        for _ in range(3):  # and does not open again
            more, took = send(1)
            assert took < BOUND / 2
            ids += more
        assert told.published[-4:] == ids
    found = on_broker(node.host_url)
    assert len(found) == len(set(found))
    assert set(told.published) <= set(found)
