"""Batches: how publications that leave together go into a channel.

kombu alone can publish to every broker, one message after another. Two files can do it faster, one
for Redis and one for RabbitMQ. Only `batch_for` knows these two. Without its lines for one of them,
kombu alone publishes to that broker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from deferred_signals.publishing.rabbitmq import Corked
from deferred_signals.publishing.redis import Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from deferred_signals.publishing.confirms import Confirms, Settle
    from deferred_signals.publishing.patterns import Copy, Pattern, Prepared

__all__ = ["Alone", "Batch", "batch_for"]


class Batch(Protocol):
    """Publications that leave together: a context manager, in whose block they are published.

    At the end of the block everything is written; the broker's answers are collected afterwards. Then
    the next publications of the same channel may follow, in another block.

    Attributes:
        may_be_left: answers can be waited for until a deadline, and left to another thread then.
        has_begun: something may have been sent since the block began.
    """

    may_be_left: ClassVar[bool]
    has_begun: bool

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def publish(
        self,
        message: Any,
        arguments: Mapping[str, Any],
        prepared: Prepared,
        pattern: Pattern | None,
    ) -> None:
        """Publish a message that the channel made.

        If the message's pattern may have a template of this batch's kind, make one of the message.

        Arguments:
            message: what the channel's ``prepare_message`` made.
            arguments: the keyword arguments of the channel's ``basic_publish``.
            prepared: what the channel made the message of.
            pattern: of which the message is the first, or a copy; None for other messages.
        """

    def publish_copy(self, copy: Copy) -> bool:
        """Publish a copy by filling a template; return False, and do nothing, where none fits."""

    def expect(self, place: int) -> None:
        """Note the place of the publication that was published just now."""

    def collect(self, settle: Settle, until: float) -> bool:
        """Settle publications as the broker answers. Return whether all have an answer.

        Arguments:
            settle: is called with each answer.
            until: when to wait no longer, by `time.monotonic`. It can be called again then.

        Raises:
            Exception: the connection broke, or RabbitMQ has closed the channel.
        """

    def shut(self) -> None:
        """Let whatever waits for an answer fail at once; from another thread."""


class Alone:
    """Publish as kombu does: each message by itself, and at once.

    So publishing returns when the broker has answered, or hangs.

    Arguments:
        channel: of any of kombu's transports.
    """

    may_be_left: ClassVar[bool] = False

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._published: list[int] = []
        self.has_begun = False

    def __enter__(self) -> Self:
        self.has_begun = False
        return self

    def __exit__(self, *error: object) -> None: ...

    def publish(
        self,
        message: Any,
        arguments: Mapping[str, Any],
        prepared: Prepared,  # noqa: ARG002 - as a batch
        pattern: Pattern | None,  # noqa: ARG002 - as a batch
    ) -> None:
        """Publish a message that the channel made."""
        self.has_begun = True
        self._channel.basic_publish(message, **arguments)

    def publish_copy(self, copy: Copy) -> bool:  # noqa: ARG002 - as a batch
        """Leave copies to `publish`."""
        return False

    def expect(self, place: int) -> None:
        """Note the place of a publication, which the broker has by now."""
        self._published.append(place)

    def collect(self, settle: Settle, until: float) -> bool:  # noqa: ARG002 - as a batch
        """Settle everything: there is nothing to wait for."""
        published, self._published = self._published, []
        settle(published)
        return True

    def shut(self) -> None:
        """Do nothing: how to reach the socket is not known."""


def batch_for(channel: Any, confirms: Confirms | None) -> Batch:
    """Make the fastest batch that a channel can have.

    Arguments:
        channel: a channel of kombu's.
        confirms: what RabbitMQ confirms on it; None with other brokers.
    """
    if Pipeline.suits(channel):
        return Pipeline(channel)
    if confirms is not None:
        return Corked(channel, confirms)
    return Alone(channel)
