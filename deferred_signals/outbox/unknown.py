"""What a relay does with rows whose receivers this process does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.errors import DecodeError, UnknownReceiver
from deferred_signals.outbox.claims import find
from deferred_signals.outbox.ending import Run, end, wait_for_unknown
from deferred_signals.outbox.failures import unknown_since
from deferred_signals.outbox.releases import Holder, set_on
from deferred_signals.outbox.running import message_of
from deferred_signals.running.outcomes import Failed, Unknown
from deferred_signals.running.settling import settle, settle_malformed

if TYPE_CHECKING:
    from deferred_signals.outbox.store import Lender
    from deferred_signals.outbox.taking import Due

__all__ = ["set_unknown_on"]


def set_unknown_on(store: Lender, alias: str, row: Due, *, ends: bool) -> None:
    """Let a row wait whose receiver this process does not know.

    Arguments:
        store: lends connections.
        alias: of the row's database.
        row: the row, which was taken.
        ends: whether it is dead after ``UNKNOWN_GRACE``.
    """
    unknown = Unknown(
        UnknownReceiver(f"No deferred receiver is called {row.receiver!r} in this process.")
    )
    with store.connection(alias) as connection:
        found = find(connection, row.id)
        if found is None:
            return
        holder = Holder(row.attempt, is_unclaimed=True)
        if not ends:
            note = unknown_since(found.error, unknown.exception)
            set_on(connection, row.id, holder, wait_for_unknown(found.error), note)
            return
        this = Run(alias, row.id, holder, found.error, order_key=found.order_key)
        outcome = end(connection, this, unknown)
    if isinstance(outcome, Failed):
        _tell(row, found.payload, outcome)


def _tell(row: Due, payload: str, outcome: Failed) -> None:
    try:
        message = message_of(payload, max(1, row.attempt))
    except DecodeError as error:
        settle_malformed(row.receiver, error)
    else:
        settle(message, outcome)
