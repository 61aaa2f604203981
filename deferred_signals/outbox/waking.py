"""Wake-ups for rows that were taken from the table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from deferred_signals import conf
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.taking import take_aside
from deferred_signals.outbox.writing import OWN_COLUMNS
from deferred_signals.publishing.waking import Waking, wake
from deferred_signals.receivers import registry
from deferred_signals.sending.destinations import current_destination, stays_here
from deferred_signals.support.under_test import is_under_test

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.outbox.taking import Due
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["wake_next", "waking_for"]


def wake_next(connection: BaseDatabaseWrapper, order_key: str) -> None:
    """Wake up the row whose turn it is, since the one before has ended."""
    if is_under_test() and stays_here(current_destination()):  # a test runs rows itself
        return
    found = take_aside(connection, order_key, conf.current().OUTBOX.LEASE)
    known = [(row, registry.find(row.receiver)) for row in found]
    wake(
        [
            waking_for(connection.alias, row, receiver)
            for row, receiver in known
            if receiver is not None
        ]
    )


def waking_for(alias: str, row: Due, receiver: Receiver) -> Waking:
    """Make the wake-up for a row, with the options that its receiver has now, and the row's own."""
    settings, options = conf.current(), dict[str, Any]()
    if settings.QUEUE is not None:
        options["queue"] = settings.QUEUE
    options |= receiver.options.publish_values
    own = json.loads(row.options) if row.options else {}
    options |= own
    for name in OWN_COLUMNS:
        options.pop(name, None)
    return Waking(
        row.receiver,
        row.id,
        row.attempt,
        WakeUp(alias, row.id, row.attempt, row.at).to_wire(),
        row.subject,
        options,
        headers=own.get("headers") or {},
    )
