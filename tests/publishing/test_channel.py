"""The channel: copies are published as the first message of their pattern was."""

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Queue

from deferred_signals.publishing.batches import Alone, batch_for
from deferred_signals.publishing.channel import Channel
from deferred_signals.publishing.patterns import Copy, Pattern, Publication
from deferred_signals.support.ids import new_id
from tests.support.patterns import copy_of

from .settled import Settled


@pytest.fixture
def channel() -> Iterator[Channel]:
    """Open a channel of a broker inside this process, with an empty queue."""
    with Connection("memory://") as connection:
        opened: Any = connection.default_channel
        Queue("channel")(opened).declare()
        opened.queue_purge("channel")
        yield Channel(connection, opened)


def recorded(*, serializer: str = "json", **headers: Any) -> Publication:
    """Return a call of a kombu producer's, as Celery makes it."""
    id_ = new_id()
    arguments = {
        "exchange": "",
        "routing_key": "channel",
        "serializer": serializer,
        "headers": {"id": id_, "root_id": id_, "argsrepr": "(a)", **headers},
        "correlation_id": id_,
        "reply_to": new_id(),
        "priority": 3,
    }
    publication = Publication((("first",), {}, {"chord": None}), arguments)
    return publication._replace(pattern=Pattern({}, publication))


def write(channel: Channel, *publications: Publication | Copy) -> None:
    """Write publications, all of which the broker takes."""
    settled = Settled()
    channel.write(publications, settled)
    assert channel.collect(settled, 0)
    assert settled.published == list(range(len(publications)))
    assert settled.errors == []


def taken(channel: Channel, count: int) -> list[Any]:
    """Take messages off the queue, which holds no more."""
    found = [channel.basic_get("channel", no_ack=True) for _ in range(count)]
    assert channel.basic_get("channel") is None
    return found


@pytest.mark.parametrize("headers", [{}, {"tenant": "blue"}], ids=["usual", "more"])
def test_copies_are_what_the_producer_makes_of_the_same(channel: Channel, headers: Any) -> None:
    first = recorded(**headers)
    assert first.pattern is not None
    pattern = first.pattern
    copies = [copy_of(pattern, payloads=(text,)) for text in ("one", "zwei \\ ü", '"')]
    write(channel, first)
    assert pattern.sent is not None
    write(channel, *copies, *map(pattern.publication_of, copies))
    _, *messages = taken(channel, 7)
    for mine, kombus in zip(messages[:3], messages[3:], strict=True):
        assert mine.body == kombus.body
        assert mine.headers == kombus.headers
        own = ("delivery_tag",)
        assert {**mine.properties, **dict.fromkeys(own)} == {
            **kombus.properties,
            **dict.fromkeys(own),
        }


def test_copies_of_a_body_that_is_not_known_are_made_by_the_producer(channel: Channel) -> None:
    first = recorded(serializer="yaml")
    assert first.pattern is not None
    write(channel, first)
    assert first.pattern.sent is None
    copy = copy_of(first.pattern, payloads=("other",))
    write(channel, copy)
    _, message = taken(channel, 2)
    assert message.content_type == "application/x-yaml"
    assert message.headers["id"] == copy.task_id
    assert b"other" in message.body


def test_channel_of_another_broker_publishes_by_kombu_alone(channel: Channel) -> None:
    assert isinstance(batch_for(channel.channel, None), Alone)
    assert not channel.may_be_left


def test_what_was_written_is_settled_once(channel: Channel) -> None:
    write(channel, recorded())
    settled = Settled()
    assert channel.collect(settled, 0)
    assert (settled.published, settled.errors) == ([], [])


def test_template_of_another_driver_is_not_filled(channel: Channel) -> None:
    """Redis and RabbitMQ in one list of brokers share patterns, and a third broker might."""
    first = recorded()
    assert first.pattern is not None
    first.pattern.templates[Foreign] = Foreign()
    write(channel, first, copy_of(first.pattern))
    assert len(taken(channel, 2)) == 2


class Foreign:
    """A template of a driver that is not this channel's."""

    def fill(self, copy: Copy) -> str | None:
        raise AssertionError("Not this channel's.")
