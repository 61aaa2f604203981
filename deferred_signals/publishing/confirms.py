"""RabbitMQ's publisher confirms, waited for once a batch.

kombu's own ``confirm_publish`` waits for each message by itself, which makes five hundred messages
about five times slower. Waiting for all of them together costs one round trip.
"""

from __future__ import annotations

import select
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Protocol

    from kombu import Connection

    class Settle(Protocol):
        """Note what became of publications, given by their places: published, or why not."""

        def __call__(self, places: Collection[int], error: Exception | None = None) -> None: ...


__all__ = ["Confirms", "has_news"]


class Confirms:
    """What RabbitMQ has yet to confirm on one channel.

    Arguments:
        client: the connection.
        channel: a new channel of py-amqp on it, which is put into confirm mode.
    """

    def __init__(self, client: Connection, channel: Any) -> None:
        self._client = client
        self._channel = channel
        self._last = 0
        self._open: dict[int, int] = {}
        self._answers: list[tuple[list[int], Exception | None]] = []
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.confirm_select()

    def expect(self, place: int) -> None:
        """Note that a message was published, as the next one on the channel."""
        self._last += 1
        self._open[self._last] = place

    def wait(self, settle: Settle, patience: float) -> None:
        """Settle the expected messages as the answers come in.

        Arguments:
            settle: is called with each answer.
            patience: seconds to wait for all answers.

        Raises:
            TimeoutError: some answers did not come.
        """
        deadline = monotonic() + patience
        while True:
            answers, self._answers = self._answers, []
            for places, error in answers:
                settle(places, error)
            if not self._open:
                return
            self._client.drain_events(timeout=max(0.001, deadline - monotonic()))

    def catch_up(self) -> None:
        """Read what RabbitMQ has said since the last answer, without waiting.

        Raises:
            Exception: RabbitMQ has closed the connection, or the channel.
        """
        while has_news(self._channel.connection.sock):
            with suppress(TimeoutError):
                self._client.drain_events(timeout=0)

    def _on_ack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001 - py-amqp's order
        self._answer(tag, None, multiple=multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001 - py-amqp's order
        refusal = OperationalError(
            "RabbitMQ refused the message (basic.nack): a queue is full, or failed"
        )
        self._answer(tag, refusal, multiple=multiple)

    def _answer(self, tag: int, error: Exception | None, *, multiple: bool) -> None:
        # Tags are assigned in rising order, and a dict keeps its order.
        tags = [open_ for open_ in self._open if open_ <= tag] if multiple else [tag]
        self._answers.append(([self._open.pop(tag) for tag in tags], error))


def has_news(sock: Any) -> bool:
    """Return whether there is something to read on a socket, or its end, without waiting for it."""
    if getattr(sock, "pending", int)():  # TLS has read and decrypted more than was asked for
        return True
    if not hasattr(select, "poll"):  # eventlet takes it away
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
