"""Properties on RabbitMQ: those of copies are what py-amqp would write, or are left to it."""

import select
import socket
from typing import Any

import pytest
from kombu.transport.pyamqp import Channel

from deferred_signals.publishing.parcels import Parcel
from deferred_signals.publishing.patterns import Copy, Pattern, Prepared, Publication
from deferred_signals.publishing.rabbitmq import Properties, corked, has_news
from deferred_signals.support.ids import new_id
from tests.integration.processes import wait_until


class Messages:
    """The part of kombu's channel that needs no connection."""

    prepare_message: Any = Channel.prepare_message


def first(**headers: Any) -> tuple[Pattern, Prepared]:
    """Return a pattern that has learned, and what its first message was made of."""
    id_ = headers.setdefault("id", new_id())
    prepared = Prepared(
        '[["wire"], {}, {}]', 0, "application/json", "utf-8",
        {"task": "shop.pay", "root_id": id_, "argsrepr": "(a)", "origin": "gen1@shop", **headers},
        {"correlation_id": id_, "reply_to": new_id(), "delivery_mode": 2},
    )  # fmt: skip
    parcel = Parcel(id_, (), {})
    pattern = Pattern(parcel, Publication(None, {}))
    assert pattern.learn(prepared, {})
    return pattern, prepared


def properties_of(pattern: Pattern, prepared: Prepared) -> Properties | None:
    channel: Any = Messages()
    return Properties.of(channel, channel.prepare_message(*prepared), prepared, pattern)


def written_by_amqp(copy: Copy) -> bytes:
    channel: Any = Messages()
    message = channel.prepare_message(*copy.pattern.prepared(copy))
    written: bytes = message._serialize_properties()  # noqa: SLF001 - pinned here
    return written


@pytest.mark.parametrize(
    "shown", ["(a)", "()", "(instance=shop.Order 7, créé)", "(100 %)", "x" * 999]
)
def test_those_of_a_copy_are_what_the_driver_writes(shown: str) -> None:
    # If this fails, py-amqp has changed what it does not promise: all works, and is slower.
    pattern, prepared = first()
    properties = properties_of(pattern, prepared)
    assert properties is not None
    copy = Copy(pattern, new_id(), ("other",), shown, new_id())
    message = Messages().prepare_message("")
    properties.give_to(message, copy)
    assert message._serialize_properties() == written_by_amqp(copy)  # noqa: SLF001 - pinned here


@pytest.mark.parametrize("own", [{"task_id": "short"}, {"reply_to": ""}], ids=str)
def test_ids_of_another_length_are_left_to_the_driver(own: dict[str, str]) -> None:
    pattern, prepared = first()
    properties = properties_of(pattern, prepared)
    assert properties is not None
    usual = {"task_id": new_id(), "argsrepr": "(a)", "reply_to": new_id()}
    copy = Copy(pattern=pattern, wires=("other",), **{**usual, **own})
    assert properties.filled(copy) is None


def test_arguments_that_stand_in_two_headers_are_left_to_the_driver() -> None:
    twice = {"headers": {"argsrepr": "(a)"}}
    assert properties_of(*first(**twice)) is None


@pytest.mark.parametrize(
    "written", [b"\x80\x00\x01a", b"\xa0\x01\x01a", b"\x00\x00"], ids=["none", "more", "nothing"]
)
def test_properties_without_headers_are_left_to_the_driver(written: bytes) -> None:
    class Message:
        def _serialize_properties(self) -> bytes:
            return written

    pattern, prepared = first()
    assert Properties.of(Messages(), Message(), prepared, pattern) is None


def test_id_that_stands_elsewhere_too_is_not_replaced_there() -> None:
    assert properties_of(*first(id="7f", note="a header with 7f in it")) is None


def test_messages_of_another_driver_are_left_to_it() -> None:
    pattern, prepared = first()
    channel: Any = Messages()
    assert Properties.of(channel, {"body": ""}, prepared, pattern) is None


class Wired:
    """A connection, as far as its socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.connection = self
        self.sock = sock


@pytest.fixture
def ends() -> Any:
    """Both ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        yield Wired(near), far


def test_what_is_written_corked_arrives_after_the_block(ends: Any) -> None:
    near, far = ends
    with corked(near):
        near.sock.sendall(b"one")
        near.sock.sendall(b"two")
    far.settimeout(5)
    assert far.recv(100) == b"onetwo"


def test_socket_that_breaks_in_the_block_shows_its_own_error(ends: Any) -> None:
    near, _ = ends
    with pytest.raises(ConnectionError, match="cut"), corked(near):
        near.sock.close()
        raise ConnectionError("cut")


@pytest.mark.parametrize("poll", [True, False])
def test_news_are_seen_without_waiting(
    poll: bool, ends: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not poll:
        monkeypatch.delattr(select, "poll")
    near, far = ends
    assert not has_news(near)
    far.sendall(b"x")
    wait_until(lambda: has_news(near), 5, "news")
    near.sock.recv(1)
    assert not has_news(near)
    far.close()
    wait_until(lambda: has_news(near), 5, "the end")
