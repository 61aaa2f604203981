"""A broker that answers and refuses some or all messages of a commit."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from kombu import Queue

from tests.support.connected import Connected

from .nodes import LocalRabbitMQ, LocalRedis
from .outages import AT_ONCE, BOUND, Send, Told
from .own_app import on_broker, publishing_to
from .topics import one_topic_allowed

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def told_so(redis: LocalRedis, *command: str, undo: tuple[str, ...]) -> Iterator[None]:
    """Give Redis a command, and undo it at the end of the block."""
    with redis.client as client:
        client.execute_command(*command)
        try:
            yield
        finally:
            client.execute_command(*undo)


@pytest.mark.parametrize("node", ["redis"], indirect=True)
@pytest.mark.parametrize(
    ("command", "undo", "says"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "maxmemory"),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "read only replica"),
    ],
    ids=["out of memory", "replica"],
)
def test_redis_that_takes_no_writes_is_asked_again_by_each_commit(
    node: LocalRedis,
    command: tuple[str, ...],
    undo: tuple[str, ...],
    says: str,
    send: Send,
    told: Told,
) -> None:
    with publishing_to(node.host_url):
        before, _ = send(2)
        assert told.published == before
        lost = []
        with told_so(node, *command, undo=undo):
            for count in (1, 3, 600):
                ids, took = send(count)
                assert took < AT_ONCE + count / 100
                lost += ids
        told.wait_for_failures(lost)
        assert all(says in str(cause) for cause in told.causes)
        after, _ = send(2)
        assert told.published == before + after
        assert sorted(on_broker(node.host_url)) == sorted(before + after)


@pytest.mark.parametrize("node", ["rabbitmq"], indirect=True)
def test_rabbitmq_queue_that_is_full_takes_some_and_refuses_the_others(
    node: LocalRabbitMQ, send: Send, told: Told
) -> None:
    limit = {"x-max-length": 3, "x-overflow": "reject-publish"}
    queue = Queue("full", queue_arguments=limit)
    with publishing_to(node.host_url) as app:
        app.conf.update(task_default_queue="full", task_queues=[queue])
        try:
            ids, _ = send(5)
            assert told.published == ids[:3]
            assert told.failed == ids[3:]
            assert all("basic.nack" in str(cause) for cause in told.causes)
        finally:
            with app.connection_for_write() as connection:
                queue(connection.default_channel).delete()


@pytest.mark.parametrize("node", ["redis"], indirect=True)
def test_queue_that_redis_refuses_costs_its_messages_and_no_connections(
    node: LocalRedis, send: Send, told: Told
) -> None:
    with node.only_for("_kombu") as url, publishing_to(url), node.client as client:
        lost = [id_ for _ in range(20) for id_ in send(1)[0]]
        mine = [one for one in client.client_list() if one["user"] == "limited"]
    assert told.failed == lost
    assert len(mine) <= 4


@pytest.mark.parametrize("count", [3, 100])
@pytest.mark.parametrize("node", ["rabbitmq"], indirect=True)
def test_topic_that_rabbitmq_refuses_neither_loses_nor_doubles_what_stands_behind_it(
    node: LocalRabbitMQ, defer: Connected, told: Told, count: int
) -> None:
    with one_topic_allowed(node, defer) as send:
        first = send("allowed", 1)  # from now on the exchange is known to be there
        began = time.monotonic()
        with transaction.atomic():
            before = send("allowed", count)
            refused = send("forbidden", 1)
            behind = send("allowed", count)
        took = time.monotonic() - began
    assert took < BOUND / 2
    assert sorted(told.published + told.failed) == sorted(first + before + refused + behind)
    assert set(told.failed) <= {
        *before,
        *refused,
    }  # RabbitMQ may not have confirmed those before it
    assert set(refused) <= set(told.failed)
    assert sorted(on_broker(node.host_url)) == sorted(first + before + behind)
