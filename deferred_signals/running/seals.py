"""Seals: how a worker tells a message that was run from one that was only prefetched.

When a whole worker dies, the broker gives out again all messages that it held: the one that ran
and its prefetched neighbours. Charging all of them alike would let one poisonous message take
its neighbours with it. So a message that was given out again is published anew with a *seal*: an
empty message on a queue of its own, which is removed when the run begins. A message that comes
again with its seal unbroken was never run, and is charged nothing. Where a seal cannot be found,
for whatever reason, the message is charged, so that nothing goes round for ever.

Only messages that were redelivered before have seals: the ordinary way costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import current_app
from kombu import Queue

from deferred_signals.running.posting import post

if TYPE_CHECKING:
    from kombu import Connection

    from deferred_signals.message import Message

__all__ = ["break_seal", "put_seal"]

#: Seconds after which RabbitMQ removes a seal that nobody came for.
LIFETIME = 7 * 24 * 3600.0


def put_seal(message: Message) -> None:
    """Seal a message that is about to be published anew.

    Raises:
        CannotPublish: the broker is not known to have the seal.
    """
    queue = _queue_of(message)
    post(
        lambda producer: producer.publish(
            "", serializer="json", exchange="", routing_key=queue.name, declare=[queue]
        )
    )


def break_seal(message: Message) -> bool:
    """Break a message's seal, since it is about to run; whether it was unbroken until now."""
    with current_app.connection_or_acquire() as connection:
        queue = _queue_of(message)
        try:
            connection.ensure_connection(max_retries=1)  # it may have been collected, see below
            unbroken = _take(connection, queue.name)
            with connection.channel() as channel:
                queue(channel).delete()
        except Exception:
            connection.collect()  # it may be broken, and goes back to the pool
            raise
    return unbroken


def _take(connection: Connection, queue: str) -> bool:
    channel: Any = connection.channel()
    try:
        return channel.basic_get(queue, no_ack=True) is not None
    except connection.channel_errors:  # RabbitMQ: no such queue
        return False
    finally:
        channel.close()


def _queue_of(message: Message) -> Queue:
    name = f"deferred_signals.seal.{message.id}.{message.redeliveries}"
    return Queue(name, exchange="", routing_key=name, expires=LIFETIME)
