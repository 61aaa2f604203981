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
from deferred_signals.outbox.claims import find
from deferred_signals.outbox.ending import LEAST_WAIT, Run, end
from deferred_signals.outbox.failures import unknown_since
from deferred_signals.outbox.looping import Loop
from deferred_signals.outbox.pauses import Pauses
from deferred_signals.outbox.releases import Holder, set_on
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
from deferred_signals.publishing.queues import has_ready, route_of
from deferred_signals.publishing.waking import alone, try_to_wake
from deferred_signals.receivers import registry
from deferred_signals.running.outcomes import Failed, Unknown
from deferred_signals.running.settling import settle
from deferred_signals.support.telling import is_interruption
from deferred_signals.worker.rows import newest_received

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.outbox.store import Store
    from deferred_signals.outbox.taking import Due, Overdue
    from deferred_signals.publishing.patterns import Route
    from deferred_signals.publishing.waking import Waking

__all__ = ["Relay"]

#: While nothing is due, looks become rarer by this factor, up to so many times ``RELAY_INTERVAL``.
GROWTH, MOST_INTERVALS = 1.5, 5

#: How many times the relay looks for rows that are due while it looks once for lost wake-ups.
LOOKS = 5

#: Seconds that a lost wake-up is looked for again, at most; and after which one is taken for lost where
#: the broker cannot tell.
MOST_PATIENCE, LOST_AFTER = 24 * 3600.0, 3600.0


class Relay:
    """What a worker does for rows that wait; also a command, and a task of Celery's beat.

    Arguments:
        store: lends connections.
        ends_unknown: whether a row whose receiver nobody knows is dead after ``UNKNOWN_GRACE``; else
            that is left to workers.
    """

    def __init__(self, store: Store, *, ends_unknown: bool = True) -> None:
        self._store = store
        self._ends_unknown = ends_unknown
        self._looks = 0
        self._wait = 0.0
        self._pauses = Pauses()
        self.loop = Loop("deferred_signals.relay", lambda: self.work()[1], most=5)

    def end(self, patience: float) -> None:
        """End the thread, and wait so many seconds for that."""
        if self.loop.stop(patience):
            self._store.close()

    def work(self) -> tuple[int, float]:
        """Look once; return how many rows were due, and the seconds until the next look.

        Those become more while nothing is due.
        """
        settings = conf.current().OUTBOX
        self._looks += 1
        found = self.look(for_lost=self._looks % LOOKS == 0)
        if pause := self._pauses.of_broker:
            return found, pause
        if found >= settings.RELAY_BATCH:
            return found, 0.0
        least = settings.RELAY_INTERVAL
        self._wait = least if found else min(self._wait * GROWTH or least, least * MOST_INTERVALS)
        return found, self._wait

    def look(self, *, for_lost: bool) -> int:
        """Wake up what is due; return how many rows that were.

        Arguments:
            for_lost: look for wake-ups that were lost, too.

        Raises:
            Exception: of one database; the other ones' rows were seen to.
        """
        found, failure = 0, None
        for alias in conf.current().OUTBOX.DATABASES:
            try:
                found += self._look_for_due(alias)
                if for_lost:
                    found += self._look_for_lost(alias)
            except Exception as error:  # noqa: BLE001 - of one database: the other ones' rows go on
                failure = error
        if failure is not None:
            raise failure
        return found

    def _look_for_due(self, alias: str) -> int:
        settings = conf.current().OUTBOX
        if is_away():  # since the look at the database before
            return 0
        with self._store.connection(alias) as connection:
            set_blocked_on(connection, settings.RELAY_BATCH, settings.LEASE)
            found = take_due(connection, settings.RELAY_BATCH, settings.LEASE)
        self._publish(alias, found)
        return len(found)

    def _look_for_lost(self, alias: str) -> int:
        """Publish wake-ups anew that no queue holds; return how many."""
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
        return len(taken)

    def _sorted(
        self, alias: str, overdue: Sequence[Overdue]
    ) -> tuple[list[Overdue], list[Overdue]]:
        """Tell lost wake-ups from those that may wait in a queue.

        A row whose receiver this process does not know counts as lost: it is only set on, and soon found
        by a process that knows more.
        """
        lost: list[Overdue] = []
        waiting: list[Overdue] = []
        queues: dict[str | None, bool | None] = {None: None}
        for item in overdue:
            if registry.find(item.row.receiver) is None:
                lost.append(item)
                continue
            route, queue = _route_of(alias, item.row)
            if queue not in queues:
                queues[queue] = has_ready(str(queue))
            newest = 0.0 if route is None else newest_received(route)
            (lost if _is_lost(item, queues[queue], newest) else waiting).append(item)
        return lost, waiting

    def _publish(self, alias: str, due: Sequence[Due]) -> None:
        """Publish wake-ups for rows that were taken; set back those that cannot be published."""
        known = [row for row in due if registry.find(row.receiver) is not None]
        wakings: list[Waking] = []
        failed: set[str] = set()
        for row in known:
            try:
                wakings.append(waking_for(alias, row, registry.get(row.receiver)))
            except (TypeError, ValueError):  # its options are no JSON, or no options
                failed.add(row.id)
        try:
            if wakings:
                failed.update(try_to_wake(wakings))
        except BaseException:
            failed = {row.id for row in known}
            raise
        finally:
            self._pauses.note(known, failed)
            for pause, ids in self._pauses.of(row for row in known if row.id in failed):
                with self._store.connection(alias) as connection:
                    set_back(connection, ids, pause)
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
            if not self._ends_unknown:
                set_on(
                    connection,
                    row.id,
                    holder,
                    LEAST_WAIT,
                    unknown_since(found.error, unknown.exception),
                )
                return
            outcome = end(
                connection,
                Run(alias, row.id, holder, found.error, order_key=found.order_key),
                unknown,
            )
        if isinstance(outcome, Failed):
            _tell(found.payload, row.attempt, outcome)


def _is_lost(item: Overdue, is_ready: bool | None, newest: float) -> bool:  # noqa: FBT001 - an answer
    """Tell whether a wake-up was lost.

    Arguments:
        item: its row.
        is_ready: whether messages wait in its queue; None: nobody knows.
        newest: when the newest wake-up was made that came by its route, and has overtaken it.
    """
    if is_ready is None:
        return item.since >= LOST_AFTER
    woken_at = item.row.at - item.since
    return not is_ready or newest >= woken_at + conf.current().OUTBOX.LEASE


def _route_of(alias: str, row: Due) -> tuple[Route | None, str | None]:
    """Return the route of a row's wake-up, and its queue; None for what cannot be told."""
    try:
        return route_of(alone(waking_for(alias, row, registry.get(row.receiver))))
    except Exception as error:
        if is_interruption(error):
            raise
        return None, None  # a route of the project's refuses, or the row's options are none


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
