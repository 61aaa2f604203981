"""A broker that needs no server: each message is a file in a folder.

kombu brings a ``filesystem`` transport, but it writes a message under its final name, so that a
worker may read a file that is only half written, and crash. This one gives a file its final
name when it is complete.

It is made for a demo on one machine: a worker that is killed loses the messages that it holds.
A real site uses Redis or RabbitMQ.
"""

import fcntl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

SCHEME = "spool"


class Channel(filesystem.Channel):
    """kombu's channel, but no process ever sees a file that another one has not finished."""

    # kombu's two base classes call the second argument differently.
    def _put(self, queue: str, message: dict[str, Any], **_options: Any) -> None:  # type: ignore[override]
        # The reader takes what ends in ".msg", in the order of the names: the oldest first.
        final = Path(self.data_folder_out) / f"{time.time_ns()}_{uuid.uuid4()}.{queue}.msg"
        unfinished = final.with_suffix(".part")
        unfinished.write_text(dumps(message))
        unfinished.replace(final)

    def get_table(self, exchange: str) -> list[Any]:
        """Return the queues of an exchange."""
        with self._control_lock():
            return super().get_table(exchange)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        with self._control_lock():
            super()._queue_bind(exchange, routing_key, pattern, queue)

    @contextmanager
    def _control_lock(self) -> Iterator[None]:
        # kombu creates the file of an exchange empty and locks it only then.
        with (self.control_folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Transport(filesystem.Transport):
    """Make the folders, so that worker and site may start in any order."""

    Channel = Channel

    def __init__(self, client: Connection, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        for option in ("data_folder_in", "data_folder_out", "control_folder"):
            Path((client.transport_options or {})[option]).mkdir(parents=True, exist_ok=True)

    def drain_events(self, connection: Any, timeout: float | None = None, **_kwargs: Any) -> None:
        """Wait for messages, but not long: between two waits a worker looks whether to stop."""
        super().drain_events(connection, timeout=None if timeout is None else min(timeout, 0.25))


TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"
