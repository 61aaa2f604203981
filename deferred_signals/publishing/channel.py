"""The outlet: what a kombu ``Producer`` takes for its channel, so that copies can follow the first.

It speaks the interface that kombu's channels have for producers, and hands all on to the real one.
On the way it batches, where the transport can (Redis: one round trip for all), and lets a pattern
see what becomes of its first message.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kombu import Producer

from deferred_signals.publishing.patterns import Copy, Prepared
from deferred_signals.publishing.rabbitmq import Properties
from deferred_signals.publishing.redis import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deferred_signals.publishing.patterns import Pattern, Publication

__all__ = ["Outlet"]


class Outlet:
    """The way into one channel.

    Arguments:
        channel: of a connection of kombu's.

    Attributes:
        channel: the same.
        producer: publishes through this outlet.
    """

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self._batch: Batch | None = None
        self._pattern: Pattern | None = None
        self._prepared = Prepared("", None, None, None, {}, {})
        as_channel: Any = self
        self.producer = Producer(as_channel, auto_declare=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.channel, name)

    @property
    def can_batch(self) -> bool:
        """Whether the transport takes many messages in one round trip."""
        return bool(getattr(self.producer, "supports_batch_publish", False))

    @contextmanager
    def batching(self) -> Iterator[None]:
        """Keep what is published in the block, and let it go at the end.

        Raises:
            Exception: it is not known to have arrived.
        """
        self._batch = batch = Batch(self.channel)
        try:
            yield
            batch.send()
        finally:
            self._batch = None
            batch.close()

    def publish(self, publication: Publication | Copy) -> None:
        """Publish a message: by kombu's producer, and a copy as its pattern's first was.

        Raises:
            Exception: a serializer's, the broker's, or its driver's.
        """
        if isinstance(publication, Copy) and self._batch and self._batch.add(publication):
            return
        self._pattern = publication.pattern
        try:
            if not isinstance(publication, Copy):
                self._publish(publication)
            elif publication.pattern.sent is None:
                self._publish(publication.pattern.whole(publication))
            else:
                self._publish_copy(publication, publication.pattern.sent)
        finally:
            self._pattern = None

    def _publish(self, publication: Publication) -> None:
        """By the producer, which calls `prepare_message` and `basic_publish` in turn."""
        arguments: dict[str, Any] = {**publication.arguments, "declare": (), "retry": False}
        self.producer.publish(publication.body, **arguments)

    def _publish_copy(self, copy: Copy, sent: Mapping[str, Any]) -> None:
        message = self.prepare_message(*copy.pattern.prepared(copy))
        if copy.pattern.properties is not None:
            copy.pattern.properties.give_to(message, copy)
        self.basic_publish(message, **sent)

    def prepare_message(
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> Any:
        """As the channel's, which writes into the properties."""
        self._prepared = Prepared(
            body, priority, content_type, content_encoding, headers or {}, dict(properties or {})
        )
        return self.channel.prepare_message(
            body, priority, content_type, content_encoding, headers, properties
        )

    def basic_publish(self, message: Any, **arguments: Any) -> None:
        """As the channel's, in a batch or not."""
        pattern = self._pattern
        if pattern and pattern.sent is None and pattern.learn(self._prepared, arguments):
            pattern.properties = Properties.of(self.channel, message, self._prepared, pattern)
        if self._batch is None:
            self.channel.basic_publish(message, **arguments)
        else:
            self._batch.publish(message, arguments, self._prepared, pattern)
