"""Run the row of a durable message in this process, by a worker's steps, and without a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery.app.task import Context

from deferred_signals.worker.delivery import Delivery
from deferred_signals.worker.rows import rows

if TYPE_CHECKING:
    from deferred_signals.message.wakeup import WakeUp
    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.worker.delivery import Elsewhere, GivenBack

__all__ = ["leave", "run_by_hand"]


def run_by_hand(name: str, wake_up: WakeUp) -> Outcome | Elsewhere | GivenBack | None:
    """Claim a row, run it, and settle it; None if it is not there to be claimed.

    Arguments:
        name: the receiver's name.
        wake_up: names the row.

    Raises:
        ConfigurationError: there is no outbox, or none on that database.
    """
    return rows().run(Delivery(name, Context()), wake_up)


def leave() -> None:
    """Close the outbox's own connections, as a worker's child does when it ends."""
    rows().leave()
