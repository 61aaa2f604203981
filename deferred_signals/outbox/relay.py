"""The relay: wake up the receivers of rows that are due, and that nobody was woken for.

Such a row waits for its next attempt or its countdown, or its worker died. It may also have been woken
for, and the wake-up was lost: with its sender, before it was published, or with the broker's data.
"""

from __future__ import annotations

from collections import defaultdict
from math import log2
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.errors import DecodeError, UnknownReceiver
from deferred_signals.outbox.claims import Holder, find
from deferred_signals.outbox.ending import Run, end
from deferred_signals.outbox.looping import Loop
from deferred_signals.outbox.running import message_of
from deferred_signals.outbox.taking import (
    look_for_overdue,
    set_back,
    set_on_woken,
    take_due,
    take_overdue,
)
from deferred_signals.outbox.turns import set_blocked_on
from deferred_signals.outbox.waking import waking_for
from deferred_signals.publishing.lines import is_away
from deferred_signals.publishing.queues import has_ready, queue_of
from deferred_signals.publishing.waking import alone, try_to_wake
from deferred_signals.receivers import registry
from deferred_signals.running.outcomes import Failed, Unknown
from deferred_signals.running.settling import settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.outbox.store import Store
    from deferred_signals.outbox.taking import Due, Overdue

__all__ = ["Relay"]

#: Seconds until what could not be published is tried again.
SET_BACK = 5.0

#: How many times the relay looks for rows that are due while it looks once for lost wake-ups.
LOOKS = 5

#: Seconds that a lost wake-up is looked for again, at most; and after which one is taken for lost where
#: the broker cannot tell.
MOST_PATIENCE, LOST_AFTER = 24 * 3600.0, 3600.0


class Relay:
    """What a worker does for rows that wait.

    Arguments:
        store: lends connections.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looks = 0
        self.loop = Loop("deferred_signals.relay", self.look)

    def look(self) -> float:
        """Wake up what is due. Return the seconds until the next look."""
        settings = conf.current().OUTBOX
        if is_away():
            return settings.RELAY_INTERVAL
        is_full = False
        self._looks += 1
        for alias in settings.DATABASES:
            is_full |= self._look_for_due(alias) >= settings.RELAY_BATCH
            if self._looks % LOOKS == 0:
                self._look_for_lost(alias)
        return 0.0 if is_full else settings.RELAY_INTERVAL

    def _look_for_due(self, alias: str) -> int:
        settings = conf.current().OUTBOX
        with self._store.connection(alias) as connection:
            set_blocked_on(connection, settings.RELAY_BATCH, settings.LEASE)
            found = take_due(connection, settings.RELAY_BATCH, settings.LEASE)
        self._publish(alias, found)
        return len(found)

    def _look_for_lost(self, alias: str) -> None:
        """Publish wake-ups anew that no queue holds."""
        with self._store.connection(alias) as connection:
            overdue = look_for_overdue(connection, conf.current().OUTBOX.RELAY_BATCH)
        lost, waiting = self._sorted(alias, overdue)
        taken: list[Due] = []
        with self._store.connection(alias) as connection:
            for patience, ids in _by_patience(lost):
                taken += take_overdue(connection, ids, patience)
            for patience, ids in _by_patience(waiting):
                set_on_woken(connection, ids, patience)
        self._publish(alias, taken)

    def _sorted(
        self, alias: str, overdue: Sequence[Overdue]
    ) -> tuple[list[Overdue], list[Overdue]]:
        """Tell lost wake-ups from those that may wait in a queue."""
        lost: list[Overdue] = []
        waiting: list[Overdue] = []
        ready: dict[str | None, bool | None] = {None: None}
        for item in overdue:
            receiver = registry.find(item.row.receiver)
            queue = (
                None if receiver is None else queue_of(alone(waking_for(alias, item.row, receiver)))
            )
            if queue not in ready:
                ready[queue] = has_ready(str(queue))
            is_there = ready[queue]
            if is_there is None:
                is_there = item.since < LOST_AFTER
            (waiting if is_there else lost).append(item)
        return lost, waiting

    def _publish(self, alias: str, due: Sequence[Due]) -> None:
        """Publish wake-ups for rows that were taken; set back those that cannot be published."""
        wakings = []
        for row in due:
            receiver = registry.find(row.receiver)
            if receiver is None:
                self._set_on(alias, row)
            else:
                wakings.append(waking_for(alias, row, receiver))
        failed = try_to_wake(wakings) if wakings else []
        if failed:
            with self._store.connection(alias) as connection:
                set_back(connection, failed, SET_BACK)

    def _set_on(self, alias: str, row: Due) -> None:
        """Let a row wait whose receiver this process does not know; it is dead after a while."""
        unknown = Unknown(
            UnknownReceiver(f"No deferred receiver is called {row.receiver!r} in this process.")
        )
        with self._store.connection(alias) as connection:
            found = find(connection, row.id)
            if found is None:
                return
            holder = Holder(row.attempt, is_unclaimed=True)
            outcome = end(
                connection,
                Run(alias, row.id, holder, found.error, order_key=found.order_key),
                unknown,
            )
        if isinstance(outcome, Failed):
            _tell(found.payload, row.attempt, outcome)


def _tell(payload: str, attempt: int, outcome: Failed) -> None:
    try:
        message = message_of(payload, max(1, attempt))
    except DecodeError:
        return
    settle(message, outcome)


def _by_patience(overdue: Sequence[Overdue]) -> list[tuple[float, list[str]]]:
    """Put rows together for which the next wake-up is waited for equally long: twice as long as now."""
    lease = conf.current().OUTBOX.LEASE
    found: dict[float, list[str]] = defaultdict(list)
    for row, patience, _since in overdue:
        doubled = lease * 2.0 ** (round(log2(max(patience, lease) / lease)) + 1)
        found[min(doubled, MOST_PATIENCE)].append(row.id)
    return list(found.items())
