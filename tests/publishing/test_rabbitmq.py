"""RabbitMQ: the properties of copies are what py-amqp would write, or are left to py-amqp."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.transport.pyamqp import Channel

from deferred_signals.publishing.patterns import Copy, Pattern, Prepared
from deferred_signals.publishing.rabbitmq import Corked, Properties
from deferred_signals.support.ids import new_id
from tests.support.patterns import copy_of, learned


class Amqp:
    """A channel of py-amqp, which keeps what is published. It is its own connection."""

    prepare_message: Any = Channel.prepare_message

    def __init__(self, sock: object = None) -> None:
        self.connection = self
        self.sock = sock
        self.published: list[Any] = []

    def basic_publish(self, message: Any, **arguments: Any) -> None:
        self.published.append((message, arguments))


#: Confirms that no test here asks for.
CONFIRMS: Any = None


def properties_of(pattern: Pattern, prepared: Prepared) -> Properties | None:
    channel = Amqp()
    return Properties.of(channel, channel.prepare_message(*prepared), prepared, pattern)


def written(message: Any) -> bytes:
    text: bytes = message._serialize_properties()  # noqa: SLF001 - pinned here
    return text


def written_by_amqp(copy: Copy) -> bytes:
    return written(Amqp().prepare_message(*copy.pattern.prepared(copy)))


@pytest.mark.parametrize(
    "argsrepr", ["(a)", "()", "(instance=shop.Order 7, créé)", "(100 %)", "x" * 999]
)
def test_properties_of_a_copy_are_what_the_driver_writes(argsrepr: str) -> None:
    # If this fails, py-amqp has changed something private: everything works, and is slower.
    pattern, prepared = learned()
    properties = properties_of(pattern, prepared)
    assert properties is not None
    copy = copy_of(pattern, argsrepr=argsrepr)
    assert properties.fill(copy) == written_by_amqp(copy)


def test_batch_publishes_copies_by_the_template_that_it_made(ends: Any) -> None:
    near, _ = ends
    pattern, prepared = learned()
    copy = copy_of(pattern)
    with Corked(near, CONFIRMS) as batch:
        assert not batch.publish_copy(copy)
        batch.publish(near.prepare_message(*prepared), {"exchange": "x"}, prepared, pattern)
        assert batch.publish_copy(copy)
    (_, arguments), (message, arguments_of_copy) = near.published
    assert arguments == {"exchange": "x"}
    assert arguments_of_copy == {"exchange": "", "routing_key": "celery"}
    assert message.body == '[["other"], {}, {}]'
    assert written(message) == written_by_amqp(copy)


@pytest.mark.parametrize("own", [{"task_id": "short"}, {"reply_to": ""}], ids=str)
def test_ids_of_another_length_are_left_to_the_driver(own: dict[str, str], ends: Any) -> None:
    near, _ = ends
    pattern, prepared = learned()
    copy = copy_of(pattern, **own)
    with Corked(near, CONFIRMS) as batch:
        batch.publish(near.prepare_message(*prepared), {}, prepared, pattern)
        assert isinstance(pattern.templates[Properties], Properties)
        assert not batch.publish_copy(copy)
    assert len(near.published) == 1


def test_template_is_tried_once(ends: Any) -> None:
    near, _ = ends
    pattern, prepared = learned(headers={"argsrepr": "(a)"})
    with Corked(near, CONFIRMS) as batch:
        batch.publish(near.prepare_message(*prepared), {}, prepared, pattern)
        assert not pattern.may_have(Properties)
        assert not batch.publish_copy(copy_of(pattern))


def test_arguments_that_stand_in_two_headers_are_left_to_the_driver() -> None:
    twice = {"headers": {"argsrepr": "(a)"}}
    assert properties_of(*learned(**twice)) is None


@pytest.mark.parametrize(
    "text", [b"\x80\x00\x01a", b"\xa0\x01\x01a", b"\x00\x00"], ids=["none", "more", "nothing"]
)
def test_properties_without_headers_are_left_to_the_driver(text: bytes) -> None:
    class Message:
        def _serialize_properties(self) -> bytes:
            return text

    pattern, prepared = learned()
    assert Properties.of(Amqp(), Message(), prepared, pattern) is None


def test_id_that_stands_elsewhere_too_is_not_replaced_there() -> None:
    assert properties_of(*learned(id="7f", note="a header with 7f in it")) is None


def test_messages_of_another_driver_are_left_to_it() -> None:
    pattern, prepared = learned()
    assert Properties.of(Amqp(), {"body": ""}, prepared, pattern) is None


def test_templates_of_two_brokers_do_not_meet(ends: Any) -> None:
    """A list of brokers may have both: messages of a kept pattern go to whichever is there."""
    near, _ = ends
    pattern, prepared = learned()
    pattern.templates[Elsewhere] = Elsewhere()
    with Corked(near, CONFIRMS) as batch:
        assert not batch.publish_copy(copy_of(pattern))
        batch.publish(near.prepare_message(*prepared), {}, prepared, pattern)
        assert batch.publish_copy(copy_of(pattern, task_id=new_id()))


class Elsewhere:
    """A template of another driver."""

    def fill(self, copy: Copy) -> str | None:
        raise AssertionError("It is not RabbitMQ's.")


@pytest.fixture
def ends() -> Iterator[tuple[Amqp, socket.socket]]:
    """Give both ends of a connection, with a channel at the near one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        yield Amqp(near), far


def test_what_is_written_corked_arrives_after_the_block(ends: Any) -> None:
    near, far = ends
    with Corked(near, CONFIRMS):
        near.sock.sendall(b"one")
        near.sock.sendall(b"two")
    far.settimeout(5)
    assert far.recv(100) == b"onetwo"


def test_socket_that_breaks_in_the_block_shows_its_own_error(ends: Any) -> None:
    near, _ = ends
    with pytest.raises(ConnectionError, match="cut"), Corked(near, CONFIRMS):
        near.sock.close()
        raise ConnectionError("cut")
