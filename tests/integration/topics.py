"""Messages for two topics of RabbitMQ, of which the project's user may publish to one alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.dispatch import Signal
from kombu import Connection, Exchange, Queue

from tests.support.connected import Connected, deferred

from .nodes import LocalRabbitMQ
from .own_app import publishing_to

__all__ = ["one_topic_allowed"]

TOPICS = ("allowed", "forbidden")


@contextmanager
def one_topic_allowed(
    node: LocalRabbitMQ, defer: Connected
) -> Iterator[Callable[[str, int], list[str]]]:
    """Connect a receiver for each topic; give what sends so many messages to one, and returns their ids."""
    signals = {topic: Signal() for topic in TOPICS}
    for topic, signal in signals.items():
        defer(signal, name=f"tests.{topic}")(_do_nothing)

    def send(topic: str, times: int) -> list[str]:
        return [deferred(signals[topic].send(None))[0].id for _ in range(times)]

    with node.only_for(".*", topics="allowed") as url, publishing_to(url) as app:
        app.conf.task_routes = {
            f"tests.{topic}": {"exchange": "amq.topic", "routing_key": topic} for topic in TOPICS
        }
        with Connection(node.host_url) as connection:
            topics = Exchange("amq.topic", type="topic")
            Queue("own", topics, routing_key="#")(connection.default_channel).declare()
        yield send


def _do_nothing(sender: object, **kwargs: object) -> None: ...
