"""How near publishing is to what the broker's client can do with the same bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import redis

from benchmarks.project import celery_app, receivers
from benchmarks.queue import Queue
from benchmarks.results import Ratios
from benchmarks.sizes import by_size, sizes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["measure"]

#: Seconds to wait for RabbitMQ's confirms.
PATIENCE = 30.0


def measure(*, quick: bool) -> Ratios:
    """Measure publishing by the library and by the client alone."""
    with Queue() as queue:
        receivers.order_placed(1)
        queue.wait_for(1)
        if queue.broker == "Redis":
            against, limit = "LPUSH in one pipeline of redis-py", _pipelined(queue)
        else:
            against, limit = "py-amqp, which waits for the confirms once", _confirmed(queue)
        return Ratios(
            title=f"The limit on {queue.broker}",
            note=(
                "µs a message. The other side has our messages ready made, and only sends them: "
                "no signal, no encoding, no Celery."
            ),
            results=by_size(
                partial(queue.flush, receivers.order_placed),
                partial(queue.counted, limit),
                sizes(quick=quick),
                against=against,
            ),
            charted=False,
        )


def _pipelined(queue: Queue) -> Callable[[int], object]:
    client = redis.Redis.from_url(celery_app.conf.broker_url)
    message: Any = client.rpop(queue.name)

    def publish(messages: int) -> None:
        pipeline = client.pipeline(transaction=False)
        for _ in range(messages):
            pipeline.lpush(queue.name, message)
        pipeline.execute()

    return publish


def _confirmed(queue: Queue) -> Callable[[int], object]:
    channel: Any = celery_app.connection_for_write().default_channel
    message = channel.basic_get(queue.name, no_ack=True)
    unconfirmed: set[int] = set()

    def confirmed(tag: int, multiple: bool) -> None:  # noqa: FBT001 - py-amqp calls it
        tags = {each for each in unconfirmed if each <= tag} if multiple else {tag}
        unconfirmed.difference_update(tags)

    channel.confirm_select()
    channel.events["basic_ack"].add(confirmed)
    published = 0

    def publish(messages: int) -> None:
        nonlocal published
        unconfirmed.update(range(published + 1, published + messages + 1))
        published += messages
        for _ in range(messages):
            channel.basic_publish(message, routing_key=queue.name)
        while unconfirmed:
            channel.connection.drain_events(timeout=PATIENCE)

    return publish
