"""The broker's queue of a run: messages are counted, and then dropped."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Self

from django.db import transaction

from benchmarks.project import celery_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from benchmarks.pairs import Measure

__all__ = ["Queue"]

#: Seconds that a broker may take for what was published.
PATIENCE = 30.0
#: Kombu's names of brokers, and their own.
BROKERS = {"amqp": "RabbitMQ", "redis": "Redis"}


class Queue:
    """The queue that the project publishes to. A context manager, which deletes the queue at the end.

    Arguments:
        around: makes the context manager that each transaction runs in.

    Attributes:
        name: the name of the queue.
        broker: the name of the broker.
    """

    def __init__(self, around: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        self._around = around
        self._connection = celery_app.connection_for_write()
        self.name: str = celery_app.conf.task_default_queue
        self.broker = BROKERS[self._connection.transport.driver_type]
        channel = self._connection.default_channel
        self._queue = celery_app.amqp.queues[self.name](channel)

    def __enter__(self) -> Self:
        self._queue.declare()
        return self

    def __exit__(self, *error: object) -> None:
        self._queue.delete()
        self._queue.exchange.delete()
        self._connection.release()

    def flush(self, send: Callable[[int], object], events: int, *, messages: float = 1) -> Measure:
        """Measure an event in a transaction that sends so many, its commit included.

        Arguments:
            send: sends one; gets its number.
            events: in one transaction.
            messages: that come of an event; less than one where they travel in chunks.
        """

        def transact(events: int) -> None:
            with self._around(), transaction.atomic():
                for number in range(events):
                    send(number)

        return self.counted(transact, events, messages=messages)

    def commit(self, send: Callable[[int], object], events: int, *, messages: float = 1) -> Measure:
        """Measure an event in the commit of a transaction that sent so many, without the sends.

        Arguments:
            send: sends one; gets its number.
            events: in one transaction.
            messages: that come of an event; less than one where they travel in chunks.
        """

        def measure() -> float:
            with self._around():
                with transaction.atomic():
                    for number in range(events):
                        send(number)
                    begin = time.perf_counter()
                seconds = time.perf_counter() - begin
            self.take(round(events * messages))
            return seconds / events * 1e6

        return measure

    def counted(
        self, publish: Callable[[int], object], events: int, *, messages: float = 1
    ) -> Measure:
        """Measure an event in a function that publishes so many; assert that all of them arrive."""

        def measure() -> float:
            begin = time.perf_counter()
            publish(events)
            seconds = time.perf_counter() - begin
            self.take(round(events * messages))
            return seconds / events * 1e6

        return measure

    def take(self, messages: int) -> None:
        """Wait until so many messages are there, and drop them.

        Raises:
            SystemExit: they do not come, so the measurement is wrong.
        """
        self.wait_for(messages)
        self._queue.purge()

    def wait_for(self, messages: int) -> None:
        """Wait until exactly so many messages are there.

        Raises:
            SystemExit: they do not come.
        """
        deadline = time.monotonic() + PATIENCE
        while (found := self.depth()) != messages:
            if time.monotonic() > deadline:
                raise SystemExit(f"{found} messages are in {self.name}, and not {messages}.")
            time.sleep(0.001)

    def depth(self) -> int:
        """Return how many messages are ready."""
        declared: Any = self._queue.queue_declare()  # its stubs know the name only
        return int(declared.message_count)
