"""A connection: each broker of a list is tried once, and no call waits for ever."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from celery import Celery
from kombu import Connection as KombuConnection
from kombu import Queue
from kombu.exceptions import ChannelError, OperationalError
from kombu.transport import TRANSPORT_ALIASES, memory

from deferred_signals.publishing.clients import bound
from deferred_signals.publishing.connection import Connection
from deferred_signals.publishing.patterns import Publication

from .settled import Settled


class Refusing:
    """A broker that hangs up on whoever connects, and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._server.accept()
            except OSError:
                return
            self.count += 1
            accepted.close()

    def close(self) -> None:
        """Let nobody connect any more."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def brokers() -> Iterator[list[Refusing]]:
    made = [Refusing() for _ in range(3)]
    yield made
    for broker in made:
        broker.close()


def app_on(*urls: str, **configuration: Any) -> Celery:
    """Make an app that publishes to the first of these brokers that answers."""
    app = Celery("tests.connection", set_as_current=False)
    app.conf.update(broker_url=";".join(urls), **configuration)
    return app


def test_each_broker_of_a_list_is_tried_once(brokers: Sequence[Refusing]) -> None:
    # kombu says nowhere how it counts the tries: `Connection.alt` is its list of them.
    app = app_on(*(f"amqp://127.0.0.1:{broker.port}" for broker in brokers))
    began = time.monotonic()
    with pytest.raises(OperationalError):
        Connection(app).ensure(5)
    assert time.monotonic() - began < 2
    assert [broker.count for broker in brokers] == [1, 1, 1]


def test_each_sentinel_that_is_away_is_asked_once_a_try(brokers: Sequence[Refusing]) -> None:
    urls = [f"sentinel://127.0.0.1:{broker.port}" for broker in brokers]
    app = app_on(*urls, broker_transport_options={"master_name": "broker"})
    began = time.monotonic()
    with pytest.raises(OperationalError):
        Connection(app).ensure(5)
    assert time.monotonic() - began < 2
    # Each of the three tries asks all sentinels of the list.
    assert [broker.count for broker in brokers] == [3, 3, 3]


def test_options_for_sentinels_are_the_projects_beside_the_bounds() -> None:
    given = {"master_name": "broker", "sentinel_kwargs": {"password": "secret"}}
    client = KombuConnection("sentinel://", transport_options=given)
    bound(client, 3.0)
    options: Any = client.transport_options
    assert options["sentinel_kwargs"]["password"] == "secret"
    assert options["sentinel_kwargs"]["socket_timeout"] == 3.0
    assert given["sentinel_kwargs"] == {"password": "secret"}


@pytest.mark.parametrize(
    ("url", "known"),
    [("redis://", True), ("sentinel://", True), ("amqp://", True), ("memory://", False)],
)
def test_bounds_are_those_of_the_driver_beside_the_projects_options(url: str, known: bool) -> None:
    client = KombuConnection(url, transport_options={"own": 1, "socket_timeout": 99})
    assert bound(client, 3.0) is known
    options: Any = client.transport_options
    assert options["own"] == 1
    assert client.connect_timeout == 3.0
    timeouts = {name: value for name, value in options.items() if name.endswith("_timeout")}
    if known:
        assert 3.0 in timeouts.values()
    assert (options["socket_timeout"] == 3.0) is url.startswith(("redis", "sentinel"))


@pytest.fixture
def app() -> Celery:
    return app_on("memory://")


def publications(*keys: str) -> list[Publication]:
    queue = Queue("tests.connection")
    return [
        Publication(key, {"exchange": "", "routing_key": key, "declare": (queue,)}) for key in keys
    ]


def publish(connection: Connection, batch: Sequence[Publication], settle: Any) -> None:
    """Publish as the line does."""
    connection.ensure(5)
    assert connection.declare(batch) == {}
    assert connection.channel.together(batch) == len(batch)
    connection.channel.write(batch, settle)
    assert connection.collect(settle, settle, time.monotonic())


def test_connection_that_was_dropped_is_made_again(app: Celery) -> None:
    connection = Connection(app)
    settled: list[int] = []
    for _ in range(2):
        publish(
            connection,
            publications("a", "b"),
            lambda places, error=None, is_certain=True: settled.extend(places),
        )
        connection.drop()
        assert not connection.is_ready([])
    assert settled == [0, 1, 0, 1]
    connection.drop()


def test_connection_of_an_unknown_driver_is_never_ready(app: Celery) -> None:
    connection = Connection(app)
    publish(connection, publications("a"), lambda places, error=None, is_certain=True: None)
    assert connection.is_recent
    assert not connection.is_ready(publications("a"))
    connection.drop()


def test_what_a_serializer_refuses_is_settled_alone(app: Celery) -> None:
    connection = Connection(app)
    settled = Settled()
    first, second = publications("a", "b")
    publish(connection, [first._replace(body=object()), second], settled)
    assert settled.published == [1]
    assert settled.failed == {0: True}  # nothing was sent
    connection.drop()


class PickyChannel(memory.Channel):
    """Takes no messages for one queue, and is asked in vain for another."""

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        if queue == "refused":
            raise ChannelError("access refused")
        if queue == "unknown":
            raise LookupError("what the driver of some cloud's queues may raise")
        super()._put(queue, message, **options)


class PickyTransport(memory.Transport):
    """A broker that answers each message by itself, and refuses some."""

    Channel = PickyChannel


def test_message_that_is_refused_by_itself_costs_no_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TRANSPORT_ALIASES, "picky", f"{__name__}:PickyTransport")
    connection = Connection(app_on("picky://"))
    settled = Settled()
    publish(connection, publications("a", "refused", "b", "unknown"), settled)
    assert settled.published == [0, 2]
    assert settled.failed == {1: True, 3: False}
