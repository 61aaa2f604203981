"""A channel of kombu's, on which batches are written, and the broker's answers collected.

It has the interface that kombu's ``Producer`` needs of a channel, and hands every call on to kombu's
channel. On the way it lets a pattern learn from its first message, and lets copies go by the batch's
templates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu import Producer

from deferred_signals.publishing.batches import batch_for
from deferred_signals.publishing.clients import refusal_in
from deferred_signals.publishing.confirms import Confirms
from deferred_signals.publishing.patterns import Copy, Prepared

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import kombu

    from deferred_signals.publishing.confirms import Settle
    from deferred_signals.publishing.patterns import Pattern, Publication

__all__ = ["Channel"]


class Channel:
    """A channel to publish on.

    Arguments:
        client: kombu's connection.
        channel: a new channel on it.

    Attributes:
        channel: the same.
        confirms: what RabbitMQ confirms on it; None with other brokers.
        may_be_left: answers can be waited for until a deadline, and left to another thread then.
    """

    def __init__(self, client: kombu.Connection, channel: Any) -> None:
        self.channel = channel
        self.confirms = Confirms(client, channel) if hasattr(channel, "confirm_select") else None
        self._batch = batch_for(channel, self.confirms)
        self.may_be_left = self._batch.may_be_left
        #: Something was written, and is not yet answered.
        self._is_awaited = False
        #: The driver was given the publication that is being written.
        self._is_driven = False
        self._written: Sequence[Publication | Copy] = ()
        #: Why RabbitMQ closed the channel while it was written to, and how many messages were written.
        self._refused: tuple[Exception, int] | None = None
        #: Exchanges to which a message was published and confirmed on this channel.
        self._proven: set[str] = set()
        #: Errors after which nothing more can be written, and a broker's refusals.
        self._gone: Any = (*client.connection_errors, OSError)
        self._refusals: Any = client.channel_errors
        self._pattern: Pattern | None = None
        self._prepared = Prepared("", None, None, None, {}, {})
        as_channel: Any = self
        self._producer = Producer(as_channel, auto_declare=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.channel, name)

    @property
    def has_begun(self) -> bool:
        """Return whether anything may have been sent of what was written last."""
        return self._batch.has_begun

    def together(self, publications: Sequence[Publication | Copy]) -> int:
        """Count the publications, from the first on, that may be written together.

        RabbitMQ answers a message that it refuses by closing the channel, and drops everything that
        was written behind it. So a message to an exchange that has confirmed none on this channel is
        written alone.
        """
        if self.confirms is not None:
            for place, publication in enumerate(publications):
                if publication.exchange not in self._proven:
                    return max(1, place)
        return len(publications)

    def write(self, publications: Sequence[Publication | Copy], settle: Settle) -> None:
        """Write publications, in order; what a serializer refuses is settled with the error.

        So is what a broker refuses that answers each message by itself.

        Raises:
            Exception: the broker is gone. What was not settled may have arrived or not.
        """
        self._written = publications
        self._is_awaited = True
        with self._batch as batch:
            for place, publication in enumerate(publications):
                self._is_driven = False
                try:
                    self._publish(publication)
                except self._gone:
                    raise
                except Exception as error:  # noqa: BLE001 - a serializer's, above all
                    refusal = refusal_in(error, self._refusals)
                    if refusal is not None and self.confirms is not None:
                        self._refused = refusal, place  # py-amqp reads before it writes
                        break
                    # Where a driver publishes at once, nobody knows what its error means.
                    is_unknown = self._is_driven and not self.may_be_left and refusal is None
                    settle((place,), refusal or error, is_certain=not is_unknown)
                else:
                    batch.expect(place)

    def collect(self, settle: Settle, until: float) -> bool:
        """Settle what was written, as the broker answers. Return whether all of it has an answer.

        Arguments:
            settle: is called with each answer.
            until: when to wait no longer, by `time.monotonic`. It can be called again then.

        Raises:
            Exception: the broker is gone, or RabbitMQ has closed the channel.
        """
        if self._is_awaited:
            settle = settle if self.confirms is None else self._proving(settle)
            if self._refused is not None and self.confirms is not None:
                self.confirms.settle(settle)
                raise self._refused[0]
            self._is_awaited = not self._batch.collect(settle, until)
        return not self._is_awaited

    def _proving(self, settle: Settle) -> Settle:
        """Note exchanges whose messages are confirmed.

        A message to an exchange with a name may have reached one queue, and be refused by another.
        """

        def settle_and_prove(
            places: Collection[int], error: Exception | None = None, *, is_certain: bool = True
        ) -> None:
            if error is None:
                settle(places)
                self._proven.update(self._written[place].exchange for place in places)
                return
            for place in places:
                is_alone = not self._written[place].exchange
                settle((place,), error, is_certain=is_certain and is_alone)

        return settle_and_prove

    def divided(self, refusal: Exception) -> tuple[list[int], int | None]:
        """Divide what has no answer by the refusal for which RabbitMQ has closed the channel.

        Returns:
            The places that are refused or lost, and the one from which on all were dropped, or not yet
            written; None if there are none.
        """
        assert self.confirms is not None  # noqa: S101 - only RabbitMQ closes channels
        lost, dropped = self.confirms.divided(refusal, self._written)
        count = len(self._written) if self._refused is None else self._refused[1]
        if dropped or count < len(self._written):
            return lost, min([*dropped, count])
        return lost, None

    def shut(self) -> None:
        """Let a thread that waits for the broker fail at once; from another thread."""
        if self._is_awaited:
            self._batch.shut()

    def _publish(self, publication: Publication | Copy) -> None:
        """Publish a message by kombu's producer; a copy by a template, or as its first message was.

        Raises:
            Exception: a serializer's error, the broker's, or its driver's.
        """
        if isinstance(publication, Copy) and self._batch.publish_copy(publication):
            return
        self._pattern = publication.pattern
        try:
            if not isinstance(publication, Copy):
                self._call_producer(publication)
            elif publication.pattern.sent is None:
                self._call_producer(publication.pattern.publication_of(publication))
            else:
                message = self.prepare_message(*publication.pattern.prepared(publication))
                self.basic_publish(message, **publication.pattern.sent)
        finally:
            self._pattern = None

    def _call_producer(self, publication: Publication) -> None:
        """Call the producer, which calls `prepare_message` and `basic_publish` in turn."""
        arguments: dict[str, Any] = {**publication.arguments, "declare": (), "retry": False}
        self._producer.publish(publication.body, **arguments)

    def prepare_message(
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> Any:
        """Make a message by kombu's channel, and keep what it is made of."""
        # kombu's channel writes into the properties.
        self._prepared = Prepared(
            body, priority, content_type, content_encoding, headers or {}, dict(properties or {})
        )
        return self.channel.prepare_message(
            body, priority, content_type, content_encoding, headers, properties
        )

    def basic_publish(self, message: Any, **arguments: Any) -> None:
        """Publish a message by the batch, and let its pattern learn."""
        pattern = self._pattern
        if pattern is not None and pattern.sent is None:
            pattern.learn(self._prepared, arguments)
        self._is_driven = True
        self._batch.publish(message, arguments, self._prepared, pattern)
