"""Publishing while Sentry's SDK traces Celery, as the SDK does by default."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import sentry_sdk
from sentry_sdk.transport import Transport

from benchmarks.project import by_hand, receivers
from benchmarks.queue import Queue
from benchmarks.results import BY_HAND, Ratios
from benchmarks.sizes import by_size, sizes

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope

__all__ = ["measure"]

#: By events in a transaction.
TARGETS = {500: 7.0}


class Nowhere(Transport):  # type: ignore[misc]
    """Drops what the SDK sends."""

    def capture_envelope(self, envelope: Envelope) -> None:
        """Drop the envelope."""


def measure(*, quick: bool) -> Ratios:
    """Measure as `benchmarks.publishing` does, each transaction in a trace of its own."""
    sentry_sdk.init(
        dsn="https://nobody@sentry.invalid/1", transport=Nowhere, traces_sample_rate=1.0
    )
    trace = partial(sentry_sdk.start_transaction, op="http.server", name="checkout")
    with Queue(around=trace) as queue:
        return Ratios(
            title=f"Publishing to {queue.broker} with Sentry on",
            note="The same in a trace of sentry-sdk, which puts its headers on each message.",
            results=by_size(
                partial(queue.flush, receivers.order_placed),
                partial(queue.flush, by_hand.order_placed),
                sizes(quick=quick),
                against=BY_HAND,
                targets=TARGETS,
            ),
        )
