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
    from collections.abc import Collection, Sequence
    from typing import Protocol

    from kombu import Connection

    from deferred_signals.publishing.patterns import Copy, Publication

    class Settle(Protocol):
        """Note what became of publications, given by their places: published, or why not.

        Where `is_certain`, the broker does not have what was refused.
        """

        def __call__(
            self,
            places: Collection[int],
            error: Exception | None = None,
            *,
            is_certain: bool = True,
        ) -> None: ...


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

    def divided(
        self, refusal: Exception, publications: Sequence[Publication | Copy]
    ) -> tuple[list[int], list[int]]:
        """Divide the messages without an answer by the refusal for which RabbitMQ closed the channel.

        What stood before the refused message may have arrived or not. What stood behind it was
        dropped. If several messages may be the refused one, the last of them counts, since what may
        have arrived is never published again. All messages to a topic that a user may not write are
        refused, so there the first one counts.

        Arguments:
            refusal: the error. It names the exchange as a rule, and the topic if that was refused.
            publications: all that were written, by their places.

        Returns:
            The places that are refused or lost, and those that were dropped.
        """
        unanswered, text = list(self._open.values()), str(refusal)
        named = [place for place in unanswered if f"'{publications[place].exchange}'" in text]
        topic = [place for place in named if f"topic '{publications[place].route.key}'" in text]
        refused = topic[0] if topic else max(named or unanswered, default=0)
        return (
            [place for place in unanswered if place <= refused],
            [place for place in unanswered if place > refused],
        )

    def collect(self, settle: Settle, until: float) -> bool:
        """Settle the expected messages as the answers come in. Return whether all came.

        Arguments:
            settle: is called with each answer.
            until: when to wait no longer, by `time.monotonic`, however slowly bytes come in.

        Raises:
            Exception: RabbitMQ has closed the connection, or the channel.
        """
        while True:
            self.settle(settle)
            if not self._open:
                return True
            if not has_news(self._channel.connection.sock, max(0.0, until - monotonic())):
                return False
            try:
                with suppress(TimeoutError):  # a part of a frame; py-amqp keeps it
                    self._client.drain_events(timeout=0)
            finally:
                self.settle(settle)

    def settle(self, settle: Settle) -> None:
        """Settle the messages whose answers were read already, as py-amqp reads while it writes."""
        answers, self._answers = self._answers, []
        for places, error in answers:
            settle(places, error)

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


def has_news(sock: Any, seconds: float = 0.0) -> bool:
    """Return whether there is something to read on a socket, or its end, within some seconds."""
    if getattr(sock, "pending", int)():  # TLS has read and decrypted more than was asked for
        return True
    if not hasattr(select, "poll"):  # eventlet takes it away
        return bool(select.select([sock], [], [], seconds)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
