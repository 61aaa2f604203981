"""End a claim: the row goes, waits, is dead, or is set on for a process that knows more."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from django.db import Error

from deferred_signals import conf
from deferred_signals.outbox.failures import since_unknown, told, unknown_since
from deferred_signals.outbox.releases import Holder, bury, remove, retry, set_on, was_ended
from deferred_signals.running.outcomes import (
    Discarded,
    Failed,
    Lost,
    Retrying,
    Succeeded,
    Unknown,
)
from deferred_signals.support.telling import log
from deferred_signals.worker.delivery import Elsewhere

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.outbox.store import Store
    from deferred_signals.running.outcomes import Outcome

__all__ = ["Run", "end", "end_patiently"]

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
    """

    using: str
    id: str
    holder: Holder
    error: str = ""
    atomic: bool = False


def end_patiently(store: Store, this: Run, outcome: Outcome) -> Outcome | Elsewhere:
    """End a claim, and try again while its lease lasts if the database does not answer.

    Return what there is to tell: `Lost` if the row was not this process's any more.
    """
    if this.atomic and isinstance(outcome, Succeeded):
        return outcome  # the receiver's own transaction has removed the row
    deadline = time.monotonic() + conf.current().OUTBOX.LEASE
    tries = 0
    while True:
        tries += 1
        try:
            with store.connection(this.using) as connection:
                found = end(connection, this, outcome)
                if tries > 1 and isinstance(found, Lost) and _was_ended(connection, this, outcome):
                    return outcome
                return found
        except Error as error:
            if time.monotonic() > deadline:
                log(
                    logging.WARNING,
                    "Durable message %s cannot be settled, and will run again: %s",
                    this.id,
                    type(error).__name__,
                )
                return Lost("its database is away")
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
            remove(connection, this.id, None)  # however late: it did succeed
        case Discarded():
            is_ended = remove(connection, this.id, this.holder.attempt)
        case Retrying(exception, wait):
            is_ended = retry(connection, this.id, this.holder, wait, told(this.error, exception))
        case Failed(exception):
            is_ended = bury(connection, this.id, this.holder, told(this.error, exception))
    return outcome if is_ended else Lost("its lease was over")


def _was_ended(connection: BaseDatabaseWrapper, this: Run, outcome: Outcome) -> bool:
    """Return whether an earlier try did end the claim, and only the database's answer was lost."""
    is_last = isinstance(outcome, (Discarded, Failed))
    return is_last and was_ended(connection, this.id, this.holder.attempt)


def _end_unknown(
    connection: BaseDatabaseWrapper, this: Run, outcome: Unknown
) -> Outcome | Elsewhere:
    """Let a row wait for a process that knows its receiver; after ``UNKNOWN_GRACE`` it is dead."""
    now, since = time.time(), since_unknown(this.error)
    if now - since >= conf.current().UNKNOWN_GRACE:
        return end(connection, this, Failed(outcome.exception, "UNKNOWN_GRACE is over"))
    wait = min(MOST_WAIT, max(LEAST_WAIT, (now - since) / 2))
    note = unknown_since(this.error, outcome.exception)
    if not set_on(connection, this.id, this.holder, wait, note):
        return Lost("its lease was over")
    why = "Set on: this worker does not know something that the message refers to."
    return Elsewhere(why, now + wait, outcome.exception)
