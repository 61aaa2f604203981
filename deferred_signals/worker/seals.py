"""Seals: tell a message that was run from one that was only prefetched.

When a whole worker dies, the broker redelivers all messages that the worker held: the one that ran
and its prefetched neighbours. Counting the redelivery of all of them alike would let one poisonous
message take its neighbours with it. So a worker republishes a redelivered message with a *seal*: an
empty message on a queue of its own, which is removed when the run begins. A message that is
redelivered with its seal unbroken was never run, and its redelivery is not counted.

Where a seal cannot be found, for whatever reason, the redelivery is counted, so that no message is
redelivered for ever. One reason is a refusal: the broker's user may be allowed the project's own
queues only.

Only messages that were redelivered before have seals. All others cost nothing.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from celery import current_app
from kombu import Queue

from deferred_signals.publishing.posting import CannotPublish, post
from deferred_signals.support.records import about

if TYPE_CHECKING:
    from kombu import Connection

    from deferred_signals.message import Message

__all__ = ["break_seal", "put_seal"]

logger = logging.getLogger("deferred_signals")

#: Seconds after which RabbitMQ removes a seal that nobody came for.
LIFETIME = 7 * 24 * 3600.0


def put_seal(message: Message) -> None:
    """Seal a message that is about to be published anew, if the broker allows.

    Raises:
        CannotPublish: the broker neither has the seal, for all that is known, nor refuses it.
    """
    queue = _queue_of(message)
    try:
        post(
            lambda producer: producer.publish(
                "", serializer="json", exchange="", routing_key=queue.name, declare=[queue]
            )
        )
    except CannotPublish as error:
        if not _is_refusal(error.__cause__):
            raise
        logger.warning(
            "The broker refuses the queue %s, which would tell whether message %s has run. Every "
            "redelivery of the message counts. Allow the broker's user to use queues of this name "
            "if workers are often killed. The refusal: %s",
            queue.name,
            message.id,
            error.__cause__,
            extra=about("seal_refused", receiver=message.receiver, message_id=message.id),
        )


def break_seal(message: Message) -> bool:
    """Break a message's seal, as the message is about to run. Return whether it was unbroken.

    Raises:
        CannotPublish: the broker does not answer.
    """
    with current_app.connection_or_acquire() as connection:
        queue = _queue_of(message)
        try:
            connection.ensure_connection(max_retries=1)  # it may have been collected, see below
            unbroken = _take(connection, queue.name)
            with suppress(*connection.channel_errors), connection.channel() as channel:
                queue(channel).delete()
        except Exception as error:
            connection.collect()  # it may be broken, and goes back to the pool
            raise CannotPublish from error
    return unbroken


def _take(connection: Connection, queue: str) -> bool:
    channel: Any = connection.channel()
    try:
        return channel.basic_get(queue, no_ack=True) is not None
    except connection.channel_errors:  # RabbitMQ: no such queue. Or the user may not ask for it.
        return False
    finally:
        channel.close()


def _is_refusal(error: BaseException | None) -> bool:
    """Return whether an error is the broker's refusal, rather than its silence."""
    errors: Any = current_app.connection_for_write().channel_errors
    return isinstance(error, errors)


def _queue_of(message: Message) -> Queue:
    name = f"deferred_signals.seal.{message.id}.{message.redeliveries}"
    return Queue(name, exchange="", routing_key=name, expires=LIFETIME)
