"""RabbitMQ's confirms, and what it says unasked."""

import select
import socket
import time
from collections.abc import Callable, Iterator
from struct import pack
from typing import Any

import pytest
from amqp import Channel, spec
from amqp.serialization import dumps
from kombu.exceptions import OperationalError

from deferred_signals.publishing.confirms import Confirms, has_news
from deferred_signals.publishing.patterns import Publication
from tests.support.processes import wait_until

from .settled import Settled


class Driver:
    """A connection of py-amqp as far as its channels see it, and what RabbitMQ is going to say."""

    confirm_publish = False

    def __init__(self, sock: object = None) -> None:
        self.sock = sock
        self.channels: dict[int, Channel] = {}
        self.written: list[tuple[int, int]] = []
        self.says: list[tuple[tuple[int, int], bytes]] = []

    def _get_free_channel_id(self) -> int:
        return 1

    def frame_writer(self, kind: int, channel: int, method: tuple[int, int], *rest: object) -> None:
        self.written.append(method)
        if method == spec.Confirm.Select:
            self.says.append((spec.Confirm.SelectOk, b""))

    def drain_events(self, timeout: float | None = None) -> None:
        self.channels[1].dispatch_method(*self.says.pop(0), None)


def answer(method: tuple[int, int], tag: int, *, multiple: bool = False) -> tuple[Any, bytes]:
    """Return what RabbitMQ says of the messages up to a tag, or of one."""
    layout, values = ("Lb", (tag, multiple)) if method == ACK else ("Lbb", (tag, multiple, False))
    return method, pack(">HH", *method) + dumps(layout, values)


ACK, NACK = spec.Basic.Ack, spec.Basic.Nack


Expecting = Callable[..., Confirms]


@pytest.fixture
def expecting(ends: tuple[socket.socket, socket.socket]) -> Expecting:
    """Give confirms that expect so many messages, and what RabbitMQ is going to say of them."""
    near, far = ends

    class Reading(Driver):
        def drain_events(self, timeout: float | None = None) -> None:
            near.recv(1)
            super().drain_events(timeout)

    def expecting(count: int, *says: tuple[Any, bytes]) -> Confirms:
        # The channel is py-amqp's own: it must go on to call who listens to its events.
        driver: Any = Driver(near)
        confirms = Confirms(driver, Channel(driver))
        assert driver.written == [spec.Confirm.Select]
        driver.__class__ = Reading
        driver.says += says
        far.sendall(b"x" * len(says))
        for place in range(count):
            confirms.expect(place)
        return confirms

    return expecting


def to(*targets: str) -> list[Publication]:
    """Make publications to exchanges, each with a routing key behind a dot."""
    named = [target.partition(".") for target in targets]
    return [Publication("", {"exchange": name, "routing_key": key}) for name, _, key in named]


def soon() -> float:
    """Return a time that has come when what was sent on a loopback has arrived."""
    return time.monotonic() + 0.5


def test_answers_for_several_messages_settle_them_in_order(expecting: Expecting) -> None:
    settled = Settled()
    confirms = expecting(
        5, answer(ACK, 2), answer(ACK, 3, multiple=True), answer(NACK, 5, multiple=True)
    )
    assert confirms.collect(settled, soon())
    assert settled.published == [1, 0, 2]
    assert [*settled.failed] == [3, 4]
    assert all(isinstance(error, OperationalError) for error in settled.errors)


def test_answer_that_does_not_come_in_time_leaves_its_message_open(expecting: Expecting) -> None:
    settled = Settled()
    confirms = expecting(2, answer(ACK, 1))
    assert not confirms.collect(settled, soon())
    assert settled.published == [0]
    assert confirms.divided(OperationalError("no exchange 'b'"), to("a", "b")) == ([1], [])


def test_messages_behind_a_refused_one_are_told_from_those_before_it(expecting: Expecting) -> None:
    confirms = expecting(4, answer(ACK, 1))
    confirms.collect(Settled(), soon())
    refusal = OperationalError("NOT_FOUND - no exchange 'gone' in vhost '/'")
    assert confirms.divided(refusal, to("", "", "gone", "")) == ([1, 2], [3])


@pytest.mark.parametrize(
    ("refusal", "lost", "dropped"),
    [
        ("access to topic 'b' in exchange 'topics'", [0, 1], [2, 3, 4]),
        ("access to exchange 'topics'", [0, 1, 2, 3], [4]),
        ("message size 300000 is larger than configured max size", [0, 1, 2, 3, 4], []),
    ],
)
def test_message_that_may_have_arrived_counts_as_lost_and_not_as_dropped(
    expecting: Expecting, refusal: str, lost: list[int], dropped: list[int]
) -> None:
    publications = [*to("topics.a", "topics.b", "topics.a", "topics.b"), *to("")]
    confirms = expecting(5)
    assert confirms.divided(OperationalError(refusal), publications) == (lost, dropped)


def test_places_of_a_later_batch_are_told_from_those_of_an_earlier_one(
    expecting: Expecting,
) -> None:
    confirms = expecting(1, answer(ACK, 1), answer(ACK, 2))
    settled = Settled()
    assert confirms.collect(settled, soon())
    confirms.expect(0)
    assert confirms.collect(settled, soon())
    assert settled.published == [0, 0]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection."""
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

    class Reading(Driver):
        def drain_events(self, timeout: float | None = None) -> None:
            if self.says:
                super().drain_events(timeout)
            elif not near.recv(1):
                raise ConnectionError("closed")

    driver: Any = Reading(near)
    confirms = Confirms(driver, Channel(driver))
    far.sendall(b"two")
    wait_until(lambda: has_news(near), 5, "news")
    confirms.catch_up()
    assert not has_news(near)
    far.close()
    wait_until(lambda: has_news(near), 5, "the end")
    with pytest.raises(ConnectionError, match="closed"):
        confirms.catch_up()
