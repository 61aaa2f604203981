"""What a test of a real worker does again and again: wait for runs, and keep a worker alive."""

import threading
import time
from typing import Any, Self

from celery import Celery
from django.dispatch import Signal
from pytest_celery import CeleryTestSetup, RedisContainer

from tests.app.models import Run
from tests.support.connected import deferred
from tests.support.processes import Process, wait_until

from .residents import NODE, is_at_rest


def runs(**filters: Any) -> list[Run]:
    """Return the runs that match, the oldest first."""
    return list(Run.objects.filter(**filters).order_by("pk"))


def wait_for_runs(count: int, timeout: float = 15, **filters: Any) -> list[Run]:
    """Wait until at least `count` matching runs are in the database, and return them all."""
    matching = Run.objects.filter(**filters)
    wait_until(lambda: matching.count() >= count, timeout, f"{count} runs with {filters}")
    return runs(**filters)


def assert_no_more_runs(count: int, seconds: float = 1, **filters: Any) -> list[Run]:
    """Assert that there are exactly `count` matching runs, and still are after `seconds`."""
    assert len(runs(**filters)) == count
    time.sleep(seconds)
    last = runs(**filters)
    assert len(last) == count
    return last


def defer(signal: Signal, sender: object = None, **kwargs: Any) -> str:
    """Send a signal that one deferred receiver listens to, and return its message's id."""
    [found] = deferred(signal.send(sender, **kwargs))
    return found.id


def exists(app: Celery, queue: str) -> bool:
    """Tell whether the broker has a queue of that name."""
    return waiting(app, queue) is not None


def waiting(app: Celery, queue: str = "celery") -> int | None:
    """Return how many messages of a queue no worker has in its hands; None if it is not there."""
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel  # its stubs do not know what all transports have
        try:
            found = channel.queue_declare(queue, passive=True)
        except connection.channel_errors:
            return None
        return int(found.message_count)


def held(setup: CeleryTestSetup) -> int:
    """Return the number of messages that Redis keeps for dead workers; RabbitMQ keeps none."""
    container = setup.broker.container
    if not isinstance(container, RedisContainer):
        return 0
    with container.client as client:
        return int(client.hlen("unacked"))


def assert_nothing_left(setup: CeleryTestSetup, *queues: str, within: float = 5) -> None:
    """Assert that before long no message is in a queue or in the worker's hands."""
    queues = ("celery", *queues)

    def is_quiet() -> bool:
        queued = any(waiting(setup.app, queue) for queue in queues)
        return not queued and is_at_rest(setup.app, NODE)

    wait_until(is_quiet, within, "nothing is left")


def release_messages(setup: CeleryTestSetup) -> None:
    """Let the broker give a dead worker's messages to another one, as it does sooner or later.

    RabbitMQ does so at once. Redis waits for the visibility timeout, which passes here in no time.
    (A short timeout instead would have messages of living workers given out again.)
    """
    release_messages_of(setup.broker.container)


def release_messages_of(broker: object) -> None:
    """Do so for a broker that has no set-up of pytest-celery's."""
    if isinstance(broker, RedisContainer):
        with broker.client as client:
            held = client.zrange("unacked_index", 0, -1)
            if held:
                client.zadd("unacked_index", dict.fromkeys(held, 1))


def crash(setup: CeleryTestSetup) -> None:
    """Kill the worker with all its children, and start it when its messages are free again.

    A worker gathers such messages when it starts. Old versions of kombu's Redis transport then do
    so every 100 seconds only.
    """
    setup.worker.kill()
    release_messages(setup)
    setup.worker.restart()


class Supervisor:
    """Starts a worker again whenever it died, as systemd or Kubernetes would.

    ```
    with Supervisor(celery_setup) as supervisor:
        ...
    assert supervisor.restarts == 2
    ```
    """

    def __init__(self, setup: CeleryTestSetup) -> None:
        self.restarts = 0
        self._process: Process = setup.worker.container.process
        self._setup = setup
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            if not self._process.alive:
                # Children of a parent that was killed alone would go on beside the new worker's.
                self._process.kill()
                release_messages(self._setup)
                self._process.start()
                self.restarts += 1
