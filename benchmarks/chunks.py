"""Chunks: what publishing costs where one message carries a hundred calls."""

from __future__ import annotations

from functools import partial

from benchmarks.project import by_hand, receivers
from benchmarks.queue import Queue
from benchmarks.results import BY_HAND, Ratios
from benchmarks.sizes import Size, by_size

__all__ = ["measure"]

#: By events in a transaction.
TARGETS = {100: 25.0}


def measure(*, quick: bool) -> Ratios:
    """Measure publishing by both, with as many events as fill one chunk and five."""
    filled = [Size(100, 1)] if quick else [Size(100, 30), Size(500, 15)]
    messages = 1 / receivers.CHUNK
    with Queue() as queue:
        whole = by_size(
            partial(queue.flush, receivers.order_shipped, messages=messages),
            partial(queue.flush, by_hand.order_placed),
            filled,
            against=BY_HAND,
        )
        commit = by_size(
            partial(queue.commit, receivers.order_shipped, messages=messages),
            partial(queue.commit, by_hand.order_placed),
            filled,
            against=BY_HAND,
            targets=TARGETS,
            case="{}, the commit alone",
        )
        return Ratios(
            title=f"Publishing to {queue.broker} with chunk_size={receivers.CHUNK}",
            note=(
                "µs an event in a transaction that sends so many. The commit alone publishes; ours "
                "was encoded before, in send(), and by hand nothing was done before."
            ),
            results=(*whole, *commit),
        )
