"""RabbitMQ's confirms, and what it says unasked."""

import select
import socket
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from deferred_signals.publishing.confirms import Confirms, has_news
from tests.integration.processes import wait_until


class Amqp:
    """A connection with one channel, as py-amqp has them, and what RabbitMQ is going to say."""

    def __init__(self, sock: object = None) -> None:
        self.connection = self
        self.sock = sock
        self.events: dict[str, set[Callable[[int, bool], None]]] = defaultdict(set)
        self.confirming = False
        self.says: list[tuple[str, int, bool]] = []

    def confirm_select(self) -> None:
        self.confirming = True

    def drain_events(self, timeout: float) -> None:
        if not self.says:
            raise TimeoutError
        event, tag, multiple = self.says.pop(0)
        for tell in self.events[event]:
            tell(tag, multiple)


class Settled:
    """What became of each place."""

    def __init__(self) -> None:
        self.published: list[int] = []
        self.refused: list[int] = []

    def __call__(self, places: Collection[int], error: Exception | None = None) -> None:
        assert error is None or isinstance(error, OperationalError)
        (self.published if error is None else self.refused).extend(places)


def expecting(count: int, *says: tuple[str, int, bool]) -> Confirms:
    amqp: Any = Amqp()
    amqp.says += says
    confirms = Confirms(amqp, amqp)
    assert amqp.confirming
    for place in range(count):
        confirms.expect(place)
    return confirms


def test_answers_for_several_messages_settle_them_in_order() -> None:
    settled = Settled()
    confirms = expecting(
        5, ("basic_ack", 2, False), ("basic_ack", 3, True), ("basic_nack", 5, True)
    )
    confirms.wait(settled, 5)
    assert settled.published == [1, 0, 2]
    assert settled.refused == [3, 4]


def test_answer_that_does_not_come_leaves_its_message_open() -> None:
    settled = Settled()
    with pytest.raises(TimeoutError):
        expecting(2, ("basic_ack", 1, False)).wait(settled, 5)
    assert settled.published == [0]


def test_places_of_a_later_batch_are_told_from_those_of_an_earlier_one() -> None:
    confirms = expecting(1, ("basic_ack", 1, False), ("basic_ack", 2, False))
    settled = Settled()
    confirms.wait(settled, 5)
    confirms.expect(0)
    confirms.wait(settled, 5)
    assert settled.published == [0, 0]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        yield near, far


@pytest.mark.parametrize("poll", [True, False])
def test_news_are_seen_without_waiting(
    poll: bool, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not poll:
        monkeypatch.delattr(select, "poll")
    near, far = ends
    assert not has_news(near)
    far.sendall(b"x")
    wait_until(lambda: has_news(near), 5, "news")
    near.recv(1)
    assert not has_news(near)
    far.close()
    wait_until(lambda: has_news(near), 5, "the end")


def test_what_rabbitmq_said_meanwhile_is_read_until_the_connection_ends(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    near, far = ends

    class Reading(Amqp):
        def drain_events(self, timeout: float) -> None:
            if not near.recv(1):
                raise ConnectionError("closed")

    amqp: Any = Reading(near)
    confirms = Confirms(amqp, amqp)
    far.sendall(b"two")
    wait_until(lambda: has_news(near), 5, "news")
    confirms.catch_up()
    assert not has_news(near)
    far.close()
    wait_until(lambda: has_news(near), 5, "the end")
    with pytest.raises(ConnectionError, match="closed"):
        confirms.catch_up()
