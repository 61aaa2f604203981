"""A Celery app of a test's own, which publishes on a connection of its own, and what arrives."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from tests.project.celery import app as project_app

QUEUE = "own"


@contextmanager
def publishing_to(url: str, **options: Any) -> Iterator[Celery]:
    """Make an app of the test's own the current one, until the end of the block."""
    app = Celery("faults", broker=url, set_as_current=False)
    app.conf.update(task_default_queue=QUEUE, broker_transport_options=options)
    app.set_current()
    try:
        yield app
    finally:
        project_app.set_current()
        app.close()


def on_broker(url: str, queue: str = QUEUE) -> list[str]:
    """Take the ids of all messages off a queue."""
    found = []
    with Celery("look", broker=url, set_as_current=False).connection_for_read() as connection:
        channel: Any = connection.default_channel
        channel.queue_declare(queue, durable=True, auto_delete=False)
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            found.append(message.headers["id"])
    return found
