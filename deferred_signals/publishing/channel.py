"""The channel that kombu's ``Producer`` publishes on: kombu's own, with batches and templates.

It has the interface that a producer needs of a channel, and hands every call on to kombu's channel. On
the way it lets a pattern learn from its first message, and lets copies go by the batch's templates.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kombu import Producer

from deferred_signals.publishing.batches import Alone, batch_for
from deferred_signals.publishing.patterns import Copy, Prepared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.publishing.batches import Batch
    from deferred_signals.publishing.confirms import Confirms
    from deferred_signals.publishing.patterns import Pattern, Publication

__all__ = ["Channel"]


class Channel:
    """A channel to publish on.

    Arguments:
        channel: a channel of kombu's.
        confirms: what RabbitMQ confirms on it; None with other brokers.

    Attributes:
        channel: the same.
    """

    def __init__(self, channel: Any, confirms: Confirms | None) -> None:
        self.channel = channel
        self._confirms = confirms
        self._alone = Alone(channel)
        self._batch: Batch = self._alone
        self._pattern: Pattern | None = None
        self._prepared = Prepared("", None, None, None, {}, {})
        as_channel: Any = self
        self._producer = Producer(as_channel, auto_declare=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.channel, name)

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Let the publications in the block leave together, at its end.

        Raises:
            Exception: they are not known to have left.
        """
        with batch_for(self.channel, self._confirms) as batch:
            self._batch = batch
            try:
                yield batch
            finally:
                self._batch = self._alone

    def publish(self, publication: Publication | Copy) -> None:
        """Publish a message by kombu's producer; a copy by a template, or as its first message was.

        Raises:
            Exception: a serializer's error, the broker's, or its driver's.
        """
        if isinstance(publication, Copy) and self._batch.publish_copy(publication):
            return
        self._pattern = publication.pattern
        try:
            if not isinstance(publication, Copy):
                self._publish(publication)
            elif publication.pattern.sent is None:
                self._publish(publication.pattern.publication_of(publication))
            else:
                message = self.prepare_message(*publication.pattern.prepared(publication))
                self.basic_publish(message, **publication.pattern.sent)
        finally:
            self._pattern = None

    def _publish(self, publication: Publication) -> None:
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
        self._batch.publish(message, arguments, self._prepared, pattern)
