"""The relay: wake up the receivers of rows that are due, and that nobody was woken for.

Such a row waits for its next attempt or its countdown, or its worker died. It may also have been woken
for, and the wake-up was lost: with its sender, before it was published, or with the broker's data.
"""

from __future__ import annotations

import json
from collections import defaultdict
from math import log2
from typing import TYPE_CHECKING, Any

from deferred_signals import conf
from deferred_signals.errors import DecodeError, UnknownReceiver
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.claims import find
from deferred_signals.outbox.ending import Run, end
from deferred_signals.outbox.looping import Loop
from deferred_signals.outbox.releases import Holder
from deferred_signals.outbox.running import message_of
from deferred_signals.outbox.taking import (
    look_for_overdue,
    set_back,
    set_on_woken,
    take_due,
    take_overdue,
)
from deferred_signals.outbox.writing import OWN_COLUMNS
from deferred_signals.publishing.celery_tasks import argsrepr
from deferred_signals.publishing.lines import is_away
from deferred_signals.publishing.queues import has_ready, queue_of
from deferred_signals.publishing.waking import Waking, try_to_wake
from deferred_signals.receivers import registry
from deferred_signals.running.outcomes import Failed, Unknown
from deferred_signals.running.settling import settle
from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.outbox.store import Store
    from deferred_signals.outbox.taking import Due, Overdue
    from deferred_signals.receivers.receiver import Receiver

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
        self.loop = Loop("deferred_signals.relay", self.look, most=5)

    def end(self, patience: float) -> None:
        """End the thread.

        Arguments:
            patience: seconds that this may take.
        """
        if self.loop.stop(patience):
            self._store.close()

    def look(self) -> float:
        """Wake up what is due. Return the seconds until the next look."""
        settings = conf.current().OUTBOX
        if is_away():
            return settings.RELAY_INTERVAL
        is_full = False
        failure: Exception | None = None
        self._looks += 1
        for alias in settings.DATABASES:
            try:
                is_full |= self._look_for_due(alias) >= settings.RELAY_BATCH
                if self._looks % LOOKS == 0:
                    self._look_for_lost(alias)
            except Exception as error:  # noqa: BLE001 - of one database: the other ones' rows go on
                failure = error
        if failure is not None:
            raise failure
        return 0.0 if is_full else settings.RELAY_INTERVAL

    def _look_for_due(self, alias: str) -> int:
        settings = conf.current().OUTBOX
        if is_away():  # since the look at the database before
            return 0
        with self._store.connection(alias) as connection:
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
                # As long again as it was waited for, which makes twice as long.
                set_on_woken(connection, ids, patience / 2)
        self._publish(alias, taken)

    def _sorted(
        self, alias: str, overdue: Sequence[Overdue]
    ) -> tuple[list[Overdue], list[Overdue]]:
        """Tell lost wake-ups from those that may wait in a queue.

        A row whose receiver this process does not know counts as lost: it is only set on, and soon found
        by a process that knows more.
        """
        lost: list[Overdue] = []
        waiting: list[Overdue] = []
        ready: dict[str | None, bool | None] = {None: None}
        for item in overdue:
            if registry.find(item.row.receiver) is None:
                lost.append(item)
                continue
            queue = _queue_of(alias, item.row)
            if queue not in ready:
                ready[queue] = has_ready(str(queue))
            is_there = ready[queue]
            if is_there is None:
                is_there = item.since < LOST_AFTER
            (waiting if is_there else lost).append(item)
        return lost, waiting

    def _publish(self, alias: str, due: Sequence[Due]) -> None:
        """Publish wake-ups for rows that were taken; set back those that cannot be published."""
        known = [row for row in due if registry.find(row.receiver) is not None]
        wakings, failed = [], []
        for row in known:
            try:
                wakings.append(_waking(alias, row, registry.get(row.receiver)))
            except (TypeError, ValueError):  # its options are no JSON, or no options
                failed.append(row.id)
        try:
            if wakings:
                failed += [waking.task_id for waking, _error in try_to_wake(wakings)]
        except BaseException:
            failed = [row.id for row in known]
            raise
        finally:
            if failed:
                with self._store.connection(alias) as connection:
                    set_back(connection, failed, SET_BACK)
        for row in due:
            if registry.find(row.receiver) is None:
                self._set_on(alias, row)

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
            outcome = end(connection, Run(alias, row.id, holder, found.error), unknown)
        if isinstance(outcome, Failed):
            _tell(found.payload, row.attempt, outcome)


def _queue_of(alias: str, row: Due) -> str | None:
    """Return the queue in which a row's wake-up would wait; None where that cannot be told."""
    try:
        return queue_of(_waking(alias, row, registry.get(row.receiver)))
    except Exception as error:
        if is_interruption(error):
            raise
        return None  # a route of the project's refuses, or the row's options are no JSON


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


def _waking(alias: str, row: Due, receiver: Receiver) -> Waking:
    settings, options = conf.current(), dict[str, Any]()
    if settings.QUEUE is not None:
        options["queue"] = settings.QUEUE
    options |= receiver.options.publish_values
    if row.options:
        options |= json.loads(row.options)
    for name in OWN_COLUMNS:
        options.pop(name, None)
    return Waking(
        row.receiver,
        row.id,
        WakeUp(alias, row.id, row.attempt, row.at).to_wire(),
        argsrepr([row.subject]),
        options,
    )
