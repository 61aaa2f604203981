"""Publishing: what a transaction that sends signals costs, its commit included.

The code by hand is ``on_commit(partial(task.delay, ...))`` for each receiver.
"""

from __future__ import annotations

from functools import partial

from benchmarks.project import by_hand, receivers
from benchmarks.queue import Queue
from benchmarks.results import BY_HAND, Ratios
from benchmarks.sizes import Size, by_size, sizes

__all__ = ["measure"]

#: By broker, and by events in a transaction.
ONE_RECEIVER = {"Redis": {1: 1.0, 5: 3.0, 500: 9.0}, "RabbitMQ": {5: 1.5, 500: 2.4}}
FIVE_RECEIVERS = {"Redis": {100: 8.0}}


def measure(*, quick: bool) -> Ratios:
    """Measure publishing by the library and by hand."""
    with Queue() as queue:
        one = by_size(
            partial(queue.flush, receivers.order_placed),
            partial(queue.flush, by_hand.order_placed),
            sizes(quick=quick),
            against=BY_HAND,
            targets=ONE_RECEIVER.get(queue.broker),
        )
        five = by_size(
            partial(queue.flush, receivers.order_paid, messages=len(by_hand.FIVE)),
            partial(queue.flush, by_hand.order_paid, messages=len(by_hand.FIVE)),
            [Size(5, 1) if quick else Size(100, 15)],
            against=BY_HAND,
            targets=FIVE_RECEIVERS.get(queue.broker),
            case="{}, five receivers each",
        )
        return Ratios(
            title=f"Publishing to {queue.broker}",
            note=(
                "µs an event in a transaction that sends so many, from its begin to the end of "
                "its commit."
            ),
            results=(*one, *five),
        )
