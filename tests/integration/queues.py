"""What is left on a broker: queues, messages that wait, messages that a worker holds."""

from typing import Any

from celery import Celery
from pytest_celery import CeleryTestSetup, RedisContainer

from tests.support.processes import Process, wait_until

from .kept_workers import NODE, is_at_rest


def exists(app: Celery, queue: str) -> bool:
    """Tell whether the broker has a queue of that name."""
    return waiting(app, queue) is not None


def waiting(app: Celery, queue: str = "celery") -> int | None:
    """Return how many messages of a queue no worker holds; None if there is no such queue."""
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel  # its stubs do not know what all transports have
        try:
            found = channel.queue_declare(queue, passive=True)
        except connection.channel_errors:
            return None
        return int(found.message_count)


def declare(app: Celery, queue: str = "celery") -> None:
    """Declare a queue: the line does so once, and the test before may have been the one."""
    with app.connection_for_write() as connection:
        app.amqp.queues[queue](connection.default_channel).declare()


def take_off(app: Celery, count: int, queue: str = "celery") -> None:
    """Take messages off the broker, which loses them so."""
    wait_until(lambda: waiting(app, queue) == count, 10, f"{count} messages wait")
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        for _ in range(count):
            assert channel.basic_get(queue, no_ack=True) is not None


def received(*workers: Process) -> int:
    """Count the messages that workers have received, by their logs."""
    return sum(process.logs().count("] received") for process in workers)


def held(setup: CeleryTestSetup) -> int:
    """Return how many messages Redis keeps for workers, dead ones too; RabbitMQ keeps none."""
    container = setup.broker.container
    if not isinstance(container, RedisContainer):
        return 0
    with container.client as client:
        return int(client.hlen("unacked"))


def assert_nothing_left(setup: CeleryTestSetup, *queues: str, within: float = 5) -> None:
    """Assert that before long no message is in a queue, and the worker holds none."""
    queues = ("celery", *queues)

    def is_quiet() -> bool:
        queued = any(waiting(setup.app, queue) for queue in queues)
        return not queued and is_at_rest(setup.app, NODE)

    wait_until(is_quiet, within, "nothing is left")
