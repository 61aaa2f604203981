"""Messages on a real broker as raw fields, without what kombu makes of them: to compare all fields."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Protocol

import redis
from kombu import Connection, Exchange, Queue

from tests.support.processes import wait_until

#: Fields that hold a time: two messages of the same options differ in them a little.
MOMENTS = ("clock", "eta", "expiration", "expires", "timestamp")

#: How many seconds such a field may differ between two messages, on a slow machine.
A_MOMENT = 300


@dataclass(frozen=True)
class Raw:
    """One message on a broker.

    Attributes:
        id: the id of the task; for an event about a task, "event " and the id.
        fields: every field by its dotted path; the place where the message lay is one of them.
        tag: kombu's delivery tag on Redis; on RabbitMQ None.
    """

    id: str
    fields: dict[str, Any]
    tag: str | None = None

    def __getitem__(self, name: str) -> Any:
        """Return the field whose path ends with a name, whatever the broker wraps it in."""
        [path] = [path for path in self.fields if path.rpartition(".")[2] == name]
        return self.fields[path]


class Tap(Protocol):
    """Look into one broker, which is empty at first."""

    url: str

    def take(self, number: int, queues: Iterable[str]) -> list[Raw]:
        """Take all messages off the queues, the oldest first; wait until there are so many."""

    def listen(self, exchange: str) -> None:
        """Collect all that a topic exchange gets from now on, in a queue of the same name."""

    def close(self, queues: Iterable[str]) -> None:
        """Delete the queues, and close the connection."""


class RedisTap:
    """Look into Redis: a queue is a list for each priority, and a fanout exchange is a channel."""

    def __init__(self, url: str) -> None:
        # A database of its own: workers of other tests may listen to the first one.
        self.url = f"{url.removesuffix('/0')}/1"
        self._client: Any = redis.Redis.from_url(self.url)
        self._client.flushdb()
        self._channels = self._client.pubsub()  # type: ignore[no-untyped-call]
        self._channels.psubscribe("*")
        self._fences = count()

    def take(self, number: int, queues: Iterable[str]) -> list[Raw]:
        found: list[Raw] = []

        def complete() -> bool:
            found.extend(self._listed())
            found.extend(self._told())
            return len(found) >= number

        wait_until(complete, 30, f"{number} messages lie on Redis")
        return found

    def listen(self, exchange: str) -> None:
        pass  # it hears all of them

    def close(self, queues: Iterable[str]) -> None:
        self._channels.close()
        self._client.flushdb()
        self._client.close()

    def _listed(self) -> Iterator[Raw]:
        for key in sorted(self._client.scan_iter("*", _type="list")):
            while (entry := self._client.rpop(key)) is not None:
                yield _of_envelope(key.decode(), json.loads(entry))

    def _told(self) -> Iterator[Raw]:
        fence = f"fence {next(self._fences)}".encode()
        self._client.publish("fence", fence)
        while (told := self._channels.get_message(timeout=5)) is None or told["data"] != fence:
            # Databases share their channels, but kombu writes the number in front.
            if told and told["type"] == "pmessage" and told["channel"].startswith(b"/1."):
                yield _of_envelope(told["channel"].decode(), json.loads(told["data"]))


def _of_envelope(place: str, envelope: dict[str, Any]) -> Raw:
    tag = envelope["properties"].pop("delivery_tag")
    body = base64.b64decode(envelope.pop("body"))
    return _raw(body, {"place": place, **flat(envelope)}, tag)


class RabbitMQTap:
    """Look into RabbitMQ: take one message after another off a queue."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = Connection(url)

    def take(self, number: int, queues: Iterable[str]) -> list[Raw]:
        found: list[Raw] = []

        def complete() -> bool:
            for queue in queues:
                found.extend(self._lying_in(queue))
            return len(found) >= number

        wait_until(complete, 30, f"{number} messages lie on RabbitMQ")
        return found

    def listen(self, exchange: str) -> None:
        queue = Queue(exchange, Exchange(exchange, "topic"), routing_key="#")
        queue(self._connection.default_channel).declare()

    def close(self, queues: Iterable[str]) -> None:
        for queue in queues:
            Queue(queue)(self._connection.default_channel).delete()
        self._connection.release()

    def _lying_in(self, queue: str) -> Iterator[Raw]:
        try:
            channel: Any  # its stubs do not know what all transports have
            with self._connection.channel() as channel:
                channel.queue_declare(queue, passive=True)
                while (message := channel.basic_get(queue, no_ack=True)) is not None:
                    yield _of_delivery(queue, message)
        except self._connection.channel_errors:
            return  # there is no such queue yet


def _of_delivery(queue: str, message: Any) -> Raw:
    info = {name: message.delivery_info[name] for name in ("exchange", "routing_key")}
    body = message.body.encode() if isinstance(message.body, str) else message.body
    return _raw(body, {"place": queue, **flat({"properties": message.properties, **info})})


def _raw(body: bytes, fields: dict[str, Any], tag: str | None = None) -> Raw:
    task_id = fields.get("properties.correlation_id")
    if task_id is None:
        event = json.loads(body)
        return Raw(f"event {event['uuid']}", {**fields, **flat(event, "body")}, tag)
    return Raw(task_id, {**fields, "body": body}, tag)


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of nested dicts by their dotted paths; an empty dict is a leaf too."""
    if not isinstance(value, Mapping) or not value:
        return {path: value}
    return {
        below: leaf
        for name, inner in value.items()
        for below, leaf in flat(inner, f"{path}.{name}".lstrip(".")).items()
    }


def differences(ours: Mapping[str, Any], by_hand: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields in which two messages differ, apart from small differences of times."""
    return {
        path: (ours.get(path, "absent"), by_hand.get(path, "absent"))
        for path in sorted(ours.keys() | by_hand.keys())
        if ours.get(path, "absent") != by_hand.get(path, "absent")
        and not (
            path.rpartition(".")[2] in MOMENTS
            and _seconds_apart(path, ours.get(path), by_hand.get(path)) < A_MOMENT
        )
    }


def _seconds_apart(path: str, one: Any, other: Any) -> float:
    if one is None or other is None:
        return float("inf")
    if path.endswith("expiration"):  # milliseconds, as text
        return abs(int(one) - int(other)) / 1000
    moments: list[float] = [
        datetime.fromisoformat(moment).timestamp() if isinstance(moment, str) else moment
        for moment in (one, other)
    ]
    return abs(moments[0] - moments[1])


TAPS: dict[str, Callable[[str], Tap]] = {"redis": RedisTap, "amqp": RabbitMQTap}
