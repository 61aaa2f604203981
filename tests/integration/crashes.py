"""Deaths of workers: kill one and start it again, or keep one alive as systemd would."""

import threading
from typing import Self

from pytest_celery import CeleryTestSetup, RedisContainer


def release_messages(setup: CeleryTestSetup) -> None:
    """Make the broker redeliver a dead worker's messages now; it would do so later by itself.

    RabbitMQ does so at once. Redis waits for the visibility timeout, which this function skips.
    (With a short timeout instead, Redis would redeliver messages of living workers too.)
    """
    release_messages_of(setup.broker.container)


def release_messages_of(broker: object) -> None:
    """Do the same for a broker without a set-up of pytest-celery."""
    if isinstance(broker, RedisContainer):
        with broker.client as client:
            held = client.zrange("unacked_index", 0, -1)
            if held:
                client.zadd("unacked_index", dict.fromkeys(held, 1))


def crash(setup: CeleryTestSetup) -> None:
    """Kill the worker with all its children, release its messages, and start it again.

    A worker fetches released messages when it starts. After that, old versions of kombu's Redis
    transport do so every 100 seconds only.
    """
    setup.worker.kill()
    release_messages(setup)
    setup.worker.restart()


class Supervisor:
    """Start a worker again whenever it dies, as systemd or Kubernetes would.

    ```
    with Supervisor(celery_setup) as supervisor:
        ...
    assert supervisor.restarts == 2
    ```
    """

    def __init__(self, setup: CeleryTestSetup) -> None:
        self.restarts = 0
        self._process = setup.worker.container.process
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
                # Children whose parent alone was killed would go on beside the new worker.
                self._process.kill()
                release_messages(self._setup)
                self._process.start()
                self.restarts += 1
