"""celery-signal-receivers: it publishes inside `send()`, before the commit and even without one."""

from __future__ import annotations

from functools import partial

from benchmarks.project import receivers, signal_receivers
from benchmarks.queue import Queue
from benchmarks.results import SIGNAL_RECEIVERS, Ratios
from benchmarks.sizes import by_size, sizes

__all__ = ["measure"]


def measure(*, quick: bool) -> Ratios:
    """Measure publishing by both."""
    with Queue() as queue:
        return Ratios(
            title=f"Publishing to {queue.broker}",
            note=(
                "µs an event in a transaction that sends so many. They publish inside send(): "
                "what is rolled back has been announced."
            ),
            results=by_size(
                partial(queue.flush, receivers.order_placed),
                partial(queue.flush, signal_receivers.order_placed),
                sizes(quick=quick),
                against=SIGNAL_RECEIVERS,
            ),
        )
