"""A chunk of rows: they are claimed together, run one after another, and succeed, retry and fail alone.

Rows that succeeded are removed together when the chunk is through. If the child dies before, its parent
knows how far it got, and removes them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.db import Error, connections

from deferred_signals import conf
from deferred_signals.outbox.ending import end_patiently, patiently
from deferred_signals.outbox.running import (
    is_spent,
    open_claimed,
    outcome_of,
    owner_of,
    run_row,
    tell,
)
from deferred_signals.outbox.together import claim_together, give_back, remove_together
from deferred_signals.running.outcomes import Succeeded
from deferred_signals.running.prefetch import Ahead
from deferred_signals.serialization import fetch
from deferred_signals.worker.chunks import mend
from deferred_signals.worker.delivery import GivenBack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message.wakeup import WakeUp
    from deferred_signals.outbox.running import Opened
    from deferred_signals.outbox.store import Store
    from deferred_signals.worker.delivery import Delivery
    from deferred_signals.worker.progress import Progress

__all__ = ["run_chunk"]


def run_chunk(
    store: Store, delivery: Delivery, wake_ups: Sequence[WakeUp], progress: Progress
) -> GivenBack | None:
    """Claim the rows of wake-ups, run them, and settle each; return what to tell Celery.

    Arguments:
        store: lends connections.
        delivery: what brought the wake-ups.
        wake_ups: the wake-ups.
        progress: where each step is noted, for the worker's parent.
    """
    first = wake_ups[0]
    are_alike = all((one.using, one.attempt) == (first.using, first.attempt) for one in wake_ups)
    if not are_alike or is_spent(delivery.name, first):
        return _run_alone(store, delivery, wake_ups, progress)
    ids = [one.id for one in wake_ups]
    owner, lease = owner_of(os.getpid()), conf.current().OUTBOX.LEASE
    try:
        with store.connection(first.using) as connection:
            claimed = claim_together(connection, ids, first.attempt, delivery.name, owner, lease)
    except Error as error:
        return GivenBack(error)
    _Chunk(store, delivery, progress).run(
        [open_claimed(one, claimed[one.id]) if one.id in claimed else None for one in wake_ups]
    )
    return None


def _run_alone(
    store: Store, delivery: Delivery, wake_ups: Sequence[WakeUp], progress: Progress
) -> GivenBack | None:
    for wake_up in wake_ups:
        if progress.ended:
            break
        progress.begin()
        outcome = run_row(store, delivery, wake_up)
        if isinstance(outcome, GivenBack):
            return outcome
        progress.end()
    return None


class _Chunk:
    """The rows of a chunk that this process has claimed.

    Arguments:
        store: lends connections.
        delivery: what brought the wake-ups.
        progress: where each step is noted.
    """

    def __init__(self, store: Store, delivery: Delivery, progress: Progress) -> None:
        self._store = store
        self._delivery = delivery
        self._progress = progress
        self._succeeded: list[Opened] = []

    def run(self, rows: Sequence[Opened | None]) -> None:
        """Run the rows, and settle each; None stands for a row that was not there to be claimed."""
        messages = [row.message for row in rows if row is not None and row.message is not None]
        ahead, databases = Ahead(messages), connections.all()
        mend(databases)
        try:
            for row in rows:
                # The parent then sees to the rest, and is about to end this process.
                if self._progress.ended:
                    break
                self._progress.begin()
                if row is not None:
                    self._run_one(row, ahead)
                    mend(databases)
                self._progress.end()
        except BaseException:  # a soft time limit, say
            self._give_back(rows[self._progress.begun :])
            raise
        finally:
            self._remove_succeeded()

    def _run_one(self, row: Opened, ahead: Ahead) -> None:
        outcome = outcome_of(row, fetch if row.message is None else ahead.fetcher(row.message))
        if isinstance(outcome, Succeeded) and not row.run.atomic:
            self._succeeded.append(row)
        else:
            tell(self._delivery, row, end_patiently(self._store, row.run, outcome))

    def _remove_succeeded(self) -> None:
        if not self._succeeded or self._progress.ended:
            return
        using, ids = self._succeeded[0].run.using, [row.run.id for row in self._succeeded]
        removed = patiently(
            self._store, using, ids, lambda connection, _: remove_together(connection, ids)
        )
        if removed is None:  # the database stays away, and they will run again
            return
        for row in self._succeeded:
            tell(self._delivery, row, Succeeded())

    def _give_back(self, rows: Sequence[Opened | None]) -> None:
        """Let rows be claimed again that had not begun."""
        runs = [row.run for row in rows if row is not None]
        if runs and not self._progress.ended:
            ids, before = [run.id for run in runs], runs[0].holder.attempt - 1
            owner = owner_of(os.getpid())
            patiently(
                self._store,
                runs[0].using,
                ids,
                lambda connection, _: give_back(connection, ids, before, owner),
            )
