"""Batches: how publications that leave together go into a channel.

kombu alone can publish to every broker, one message after another. Two files can do it faster, one
for Redis and one for RabbitMQ. `KINDS` is the one place that knows them. If one is taken out of `KINDS`,
kombu alone publishes to that broker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

from deferred_signals.publishing.rabbitmq import Corked
from deferred_signals.publishing.redis import Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from deferred_signals.publishing.patterns import Copy, Pattern, Prepared

__all__ = ["Alone", "Batch", "batch_for"]


class Batch(Protocol):
    """Publications that leave together: a context manager, in whose block they are published.

    Attributes:
        holds_back: nothing is with the broker before the block ends, which raises if it is not
            known to have arrived.
    """

    @property
    def holds_back(self) -> bool: ...  # noqa: D102 - see above

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


class Alone:
    """Publish as kombu does: each message by itself, and at once.

    Arguments:
        channel: of any of kombu's transports.
    """

    holds_back = False

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def __enter__(self) -> Self:
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
        self._channel.basic_publish(message, **arguments)

    def publish_copy(self, copy: Copy) -> bool:  # noqa: ARG002 - as a batch
        """Leave copies to `publish`."""
        return False


#: The kinds of batches that are faster than kombu alone.
KINDS: tuple[type[Pipeline | Corked], ...] = (Pipeline, Corked)


def batch_for(channel: Any, size: int) -> Batch:
    """Make the fastest batch that a channel can have, for a number of publications."""
    for kind in KINDS:
        if kind.suits(channel, size):
            return kind(channel)
    return Alone(channel)
