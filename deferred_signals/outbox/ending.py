"""End a claim: the row goes, waits, is dead, or is set on for a process that knows more."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from django.db import Error

from deferred_signals import conf
from deferred_signals.outbox.failures import since_unknown, told, unknown_since
from deferred_signals.outbox.releases import Holder, bury, remove, retry, set_on, was_ended
from deferred_signals.outbox.waking import wake_next
from deferred_signals.running.outcomes import (
    Discarded,
    Failed,
    Lost,
    Retrying,
    Succeeded,
    Unknown,
)
from deferred_signals.support.records import about
from deferred_signals.support.telling import log
from deferred_signals.worker.delivery import Elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.outbox.store import Store
    from deferred_signals.running.outcomes import Outcome

__all__ = ["Run", "end", "end_patiently", "patiently", "wait_for_unknown"]

Answer = TypeVar("Answer")

#: Seconds before a database that is away is asked again.
PAUSE = 0.5

#: Seconds in which a row whose receiver is not known waits for another look, at least and at most.
LEAST_WAIT, MOST_WAIT = 5.0, 300.0


class Run(NamedTuple):
    """The run of a row that is to be ended.

    Attributes:
        using: alias of the row's database.
        id: the row's.
        holder: whose claim it is.
        error: what the row tells of earlier failures.
        atomic: a success has removed the row already, in the receiver's own transaction.
        order_key: rows with equal keys wait for this one.
        counts: the receiver was called, or its process died.
    """

    using: str
    id: str
    holder: Holder
    error: str = ""
    atomic: bool = False
    order_key: str | None = None
    counts: bool = True


def end_patiently(store: Store, this: Run, outcome: Outcome) -> Outcome | Elsewhere:
    """End a claim, and try again while its lease lasts if the database does not answer.

    Return what there is to tell: `Lost` if the row was not this process's any more.
    """
    if this.atomic and isinstance(outcome, Succeeded):
        if this.order_key is not None:
            # Where that fails, a relay does it.
            with suppress(Error), store.connection(this.using) as connection:
                wake_next(connection, this.order_key)
        return outcome  # the receiver's own transaction has removed the row
    ended = patiently(
        store,
        this.using,
        (this.id,),
        lambda connection, tries: _end_again(connection, this, outcome, tries),
    )
    return Lost("its database is away") if ended is None else ended


def patiently(
    store: Store,
    using: str,
    ids: Sequence[str],
    change: Callable[[BaseDatabaseWrapper, int], Answer],
) -> Answer | None:
    """Call a function that changes rows, and try again for a lease if the database does not answer.

    Return what it returns; None if the database stays away, so that the rows run again.

    Arguments:
        store: lends connections.
        using: alias of the rows' database.
        ids: the rows'.
        change: is called with a connection, and how often it was called before.
    """
    deadline = time.monotonic() + conf.current().OUTBOX.LEASE
    tries = 0
    while True:
        tries += 1
        try:
            with store.connection(using) as connection:
                return change(connection, tries - 1)
        except Error as error:
            if time.monotonic() > deadline:
                log(
                    logging.WARNING,
                    "Durable messages cannot be settled, and will run again: %s (%s)",
                    ", ".join(ids),
                    type(error).__name__,
                    extra=about("not_settled", message_id=ids[0] if len(ids) == 1 else None),
                )
                return None
        time.sleep(PAUSE)


def end(connection: BaseDatabaseWrapper, this: Run, outcome: Outcome) -> Outcome | Elsewhere:
    """End a claim. Return what there is to tell: `Lost` if the row was not the holder's any more.

    Raises:
        django.db.Error: the database does not answer.
    """
    is_ended = True
    match outcome:
        case Unknown():
            return _end_unknown(connection, this, outcome)
        case Succeeded():
            attempt = None if this.order_key is None else this.holder.attempt
            # However late: it did succeed. But in an order, another run may have begun meanwhile.
            is_ended = remove(connection, this.id, attempt) or attempt is None
        case Discarded():
            is_ended = remove(connection, this.id, this.holder.attempt)
        case Retrying(exception, wait):
            is_ended = retry(connection, this.id, this.holder, wait, told(this.error, exception))
        case Failed(exception):
            error = told(this.error, exception)
            is_ended = bury(connection, this.id, this.holder, error, counts=this.counts)
    if not is_ended:
        return Lost("its lease was over")
    if this.order_key is not None and isinstance(outcome, (Discarded, Failed, Succeeded)):
        wake_next(connection, this.order_key)
    return outcome


def _end_again(
    connection: BaseDatabaseWrapper, this: Run, outcome: Outcome, tries: int
) -> Outcome | Elsewhere:
    """End a claim, which an earlier try may have done, where only the database's answer was lost."""
    found = end(connection, this, outcome)
    is_last = isinstance(outcome, (Discarded, Failed, Succeeded))
    is_lost = isinstance(found, Lost)
    if tries and is_last and is_lost and was_ended(connection, this.id, this.holder.attempt):
        return outcome
    return found


def _end_unknown(
    connection: BaseDatabaseWrapper, this: Run, outcome: Unknown
) -> Outcome | Elsewhere:
    """Let a row wait for a process that knows its receiver; after ``UNKNOWN_GRACE`` it is dead."""
    now, since = time.time(), since_unknown(this.error)
    if now - since >= conf.current().UNKNOWN_GRACE:
        failed = Failed(outcome.exception, "UNKNOWN_GRACE is over")
        return end(connection, this._replace(counts=False), failed)
    wait = wait_for_unknown(this.error)
    note = unknown_since(this.error, outcome.exception)
    if not set_on(connection, this.id, this.holder, wait, note):
        return Lost("its lease was over")
    why = "Set on: this worker does not know something that the message refers to."
    return Elsewhere(why, now + wait, outcome.exception)


def wait_for_unknown(error: str) -> float:
    """Return the seconds that a row waits for a process that knows its receiver: half of what it has."""
    return min(MOST_WAIT, max(LEAST_WAIT, (time.time() - since_unknown(error)) / 2))
