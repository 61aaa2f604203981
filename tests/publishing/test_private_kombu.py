"""What publishing reads of kombu and its drivers, which they do not document.

CONTRIBUTING.md names the files that rely on each fact. No test here needs a server.
"""

import json
import socket
import sys
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import amqp
import pytest
import redis.exceptions
from kombu import Connection, Producer
from kombu.transport import pyamqp
from kombu.transport.redis import Channel, SentinelChannel
from redis import Redis

HAS_BATCHES = hasattr(Channel, "create_publish_batch")


class OfflineChannel(Channel):
    """A channel of kombu's Redis transport that never connects."""

    _expires: Any = {}  # noqa: RUF012 - as kombu's, made when it connects

    def __init__(self) -> None:
        """Leave out what would ask the server."""

    def conn_or_acquire(self, client: Any = None) -> Any:
        return nullcontext(Redis())

    def basic_publish(self, message: Any, exchange: str, routing_key: str, **more: Any) -> None:
        put: Any = self._put
        put(routing_key, message, **more)

    def __del__(self) -> None:
        """Leave out what would close a connection."""


@pytest.mark.skipif(not HAS_BATCHES, reason="this kombu publishes one by one, and so do we")
def test_batch_on_redis_is_a_pipeline_of_lpush_commands() -> None:
    channel: Any = OfflineChannel()
    batch = channel.create_publish_batch(max_size=sys.maxsize)
    message = {"body": "7", "headers": {}, "properties": {"delivery_tag": "t"}}
    batch.publish(message, exchange="", routing_key="celery")
    ((command, options),) = batch.pipeline.command_stack
    assert (*command[:2], json.loads(command[2])) == ("LPUSH", "celery", message)
    assert options == {}
    batch.pipeline.reset()
    assert batch.pipeline.command_stack == []
    batch.publish(message, exchange="", routing_key="celery")
    assert len(batch.pipeline.command_stack) == 1
    batch.close()
    assert channel.global_keyprefix == ""


@pytest.mark.skipif(not HAS_BATCHES, reason="this kombu publishes one by one, and so do we")
def test_connection_of_redis_sends_and_reads_by_itself() -> None:
    near, far = socket.socketpair()
    with near, far:
        make: Any = redis.Connection
        connection = make()
        vars(connection)["_sock"] = near
        vars(connection)["_parser"].on_connect(connection)
        connection.send_packed_command(
            connection.pack_commands([("LPUSH", "celery", "7")]), check_health=False
        )
        assert far.recv(100) == b"*3\r\n$5\r\nLPUSH\r\n$6\r\ncelery\r\n$1\r\n7\r\n"
        assert not connection.can_read(timeout=0)
        far.sendall(b":1\r\n-OOM full\r\n")
        assert connection.can_read(timeout=5)
        assert connection.read_response(disconnect_on_error=False) == 1
        with pytest.raises(redis.exceptions.ResponseError, match="full"):
            connection.read_response(disconnect_on_error=False)


def test_batches_are_taken_where_no_command_is_sent_twice() -> None:
    if HAS_BATCHES:
        assert isinstance(vars(Channel)["supports_batch_publish"], property)
        assert isinstance(vars(Producer)["supports_batch_publish"], property)


class Spy:
    """A channel that shows how a producer calls it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def prepare_message(self, *arguments: Any) -> str:
        self.calls.append(("prepare_message", arguments))
        return "prepared"

    def basic_publish(self, message: Any, **arguments: Any) -> None:
        self.calls.append(("basic_publish", (message, arguments)))


def test_producer_prepares_a_message_and_publishes_it_on_its_channel() -> None:
    channel: Any = Spy()
    Producer(channel, auto_declare=False).publish(
        [7], exchange="", routing_key="celery", serializer="json", headers={"id": "7"}, priority=3
    )
    (_, prepared), (_, (message, arguments)) = channel.calls
    body, priority, content_type, content_encoding, headers, _properties = prepared
    assert (body, priority) == ("[7]", 3)
    assert (content_type, content_encoding) == ("application/json", "utf-8")
    assert headers == {"id": "7"}
    assert message == "prepared"
    assert (arguments["exchange"], arguments["routing_key"]) == ("", "celery")


def test_connection_lists_its_urls_and_knows_its_driver() -> None:
    connection: Any = Connection("redis://one;redis://two", transport_options={"a": 1})
    assert len(connection.alt) == 2
    assert connection.transport_options == {"a": 1}
    assert connection.transport.driver_type == "redis"
    assert connection.get_transport_cls().Channel is Channel
    assert isinstance(Channel.visibility_timeout, int)
    assert hasattr(Channel, "client")
    connection.collect()
    assert Connection("pyamqp://").transport.driver_type == "amqp"


def test_channel_of_a_sentinel_has_the_options_of_one() -> None:
    assert {"master_name", "sentinel_kwargs"} <= {*SentinelChannel.from_transport_options}
    assert not hasattr(Channel, "master_name")


class Unconnected:
    """The part of an amqp connection that its channels ask for."""

    def __init__(self) -> None:
        self.channels: dict[int, Any] = {}
        self.confirm_publish = False

    def _claim_channel_id(self, channel_id: int) -> None: ...


def test_channel_of_amqp_calls_listeners_for_confirms_and_refusals() -> None:
    heard: list[Any] = []
    channel: Any = amqp.Channel(Unconnected(), 1)
    channel.events["basic_ack"].add(lambda *answer: heard.append(("ack", *answer)))
    channel.events["basic_nack"].add(lambda *answer: heard.append(("nack", *answer)))
    channel._on_basic_ack(7, True)  # noqa: FBT003, SLF001 - as the connection does
    channel._on_basic_nack(8, False)  # noqa: FBT003, SLF001 - as the connection does
    assert heard == [("ack", 7, True), ("nack", 8, False)]
    assert callable(channel.confirm_select)


def test_connection_of_amqp_gives_its_socket() -> None:
    ours, theirs = socket.socketpair()
    connection: Any = amqp.Connection()
    connection._transport = SimpleNamespace(sock=ours)  # noqa: SLF001 - in place of a server
    assert connection.sock is ours
    connection._transport = None  # noqa: SLF001 - it is closed here
    ours.close()
    theirs.close()
    assert pyamqp.Transport.Connection.__mro__[1] is amqp.Connection


def test_refusal_of_a_user_is_told_by_a_code_or_by_a_name() -> None:
    assert amqp.AccessRefused.code == 403
    assert redis.exceptions.NoPermissionError.__name__ == "NoPermissionError"
