"""The relay: wake up the receivers of rows that are due, and that nobody was woken for.

Such a row waits for its next attempt or its countdown, or its worker died. It may also have been woken
for, and the wake-up was lost: with its sender, before it was published, or with the broker's data.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.errors import PublishError
from deferred_signals.outbox.broker import CurrentBroker
from deferred_signals.outbox.holding import hold_paused
from deferred_signals.outbox.look import Look
from deferred_signals.outbox.looping import Loop
from deferred_signals.outbox.lost import by_patience, is_lost
from deferred_signals.outbox.pauses import Pauses
from deferred_signals.outbox.purging import Purging
from deferred_signals.outbox.taking import (
    look_for_overdue,
    set_back,
    set_on_woken,
    take_due,
    take_overdue,
)
from deferred_signals.outbox.turns import set_blocked_on
from deferred_signals.outbox.unknown import set_unknown_on
from deferred_signals.outbox.waking import waking_for
from deferred_signals.receivers import registry
from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.outbox.broker import Broker
    from deferred_signals.outbox.store import Lender
    from deferred_signals.outbox.taking import Due, Overdue
    from deferred_signals.publishing.patterns import Route
    from deferred_signals.publishing.waking import Waking

__all__ = ["Relay"]

#: While nothing is due, looks become rarer by this factor, up to so many times ``RELAY_INTERVAL``.
GROWTH, MOST_INTERVALS = 1.5, 5

#: Lost wake-ups are looked for after so many looks, or so many times ``RELAY_INTERVAL``.
LOOKS = 5

AWAY = "The broker did not answer a moment ago, and is not asked again yet."


class Relay:
    """What a worker does for rows that wait; also a command, and a task of Celery's beat.

    Arguments:
        store: lends connections.
        broker: the broker; by default that of the current Celery app.
        ends_unknown: whether a row whose receiver nobody knows is dead after ``UNKNOWN_GRACE``; else
            that is left to workers.
        warns: whether the log is told of what cannot be published; else the caller tells.
    """

    def __init__(
        self,
        store: Lender,
        broker: Broker | None = None,
        *,
        ends_unknown: bool = True,
        warns: bool = True,
    ) -> None:
        self._store = store
        self._broker = broker or CurrentBroker()
        self._ends_unknown = ends_unknown
        #: Since lost wake-ups were looked for: looks, and the seconds between them.
        self._looks, self._waited = 0, 0.0
        #: Databases that have more rows whose wake-ups are overdue, or that are paused, than were seen to.
        self._behind: set[str] = set()
        self._wait = 0.0
        self._pauses = Pauses(warns=warns)
        self._purging = Purging(store)
        self.loop = Loop("deferred_signals.relay", lambda: self.work()[1], most=5)

    def end(self, patience: float) -> None:
        """End the thread, and wait so many seconds for that."""
        if self.loop.stop(patience):
            self._store.close()

    def work(self) -> tuple[Look, float]:
        """Look once; return what that came to, and the seconds until the next look.

        Those become more while nothing is due.
        """
        settings = conf.current().OUTBOX
        found = self.look(for_lost=self._is_time_for_lost())
        wait = self._wait_after(found.due, settings.RELAY_INTERVAL, settings.RELAY_BATCH)
        self._waited += wait
        self._purging.purge_if_due()
        return found, wait

    def _is_time_for_lost(self) -> bool:
        interval = conf.current().OUTBOX.RELAY_INTERVAL
        self._looks += 1
        if self._behind or self._looks >= LOOKS or self._waited >= LOOKS * interval:
            self._looks, self._waited = 0, 0.0
            return True
        return False

    def _wait_after(self, due: int, least: float, batch: int) -> float:
        if self._pauses.of_broker:
            return self._pauses.of_broker
        if due >= batch:
            return 0.0
        is_busy = due or self._behind
        self._wait = least if is_busy else min(self._wait * GROWTH or least, least * MOST_INTERVALS)
        return self._wait

    def look_until_done(self) -> Look:
        """Look until nothing is due any more, or the broker takes nothing; return what that came to.

        It takes a lease at most: rows that this process does not know may be due again meanwhile.
        """
        settings = conf.current().OUTBOX
        end = monotonic() + settings.LEASE
        found = last = self.look(for_lost=True)
        while last.due >= settings.RELAY_BATCH and not self._pauses.of_broker and monotonic() < end:
            last = self.look(for_lost=bool(self._behind))
            found = found.and_(last)
        self._purging.purge_if_due()
        return found

    def look(self, *, for_lost: bool) -> Look:
        """Wake up what is due; return what that came to.

        Arguments:
            for_lost: look for wake-ups that were lost, too.

        Raises:
            Exception: of one database; the other ones' rows were seen to.
        """
        found, failure = Look(), None
        for alias in conf.current().OUTBOX.DATABASES:
            try:
                found = found.and_(self._look_for_due(alias))
                if for_lost:
                    found = found.and_(self._look_for_lost(alias))
            except Exception as error:  # noqa: BLE001 - of one database: the other ones' rows go on
                failure = error
        if failure is not None:
            raise failure
        return found

    def _look_for_due(self, alias: str) -> Look:
        settings = conf.current().OUTBOX
        if self._broker.is_away():
            return Look(failure=PublishError(AWAY))
        with self._store.connection(alias) as connection:
            set_blocked_on(connection, settings.RELAY_BATCH, settings.LEASE)
            found = take_due(connection, settings.RELAY_BATCH, settings.LEASE)
        return self._publish(alias, found)

    def _look_for_lost(self, alias: str) -> Look:
        """Publish wake-ups anew that were lost; wait longer for the others, and for what is paused."""
        settings = conf.current().OUTBOX
        if self._broker.is_away():
            return Look(failure=PublishError(AWAY))
        with self._store.connection(alias) as connection:
            is_more = hold_paused(connection)
            overdue = look_for_overdue(connection, settings.RELAY_BATCH)
        self._behind.discard(alias)
        try:
            lost, waiting = self._sorted(alias, overdue)
        except Exception as error:
            if is_interruption(error):
                raise
            self._pauses.note_away(error)
            return Look(failure=error)
        if is_more or len(overdue) >= settings.RELAY_BATCH:
            self._behind.add(alias)
        taken: list[Due] = []
        with self._store.connection(alias) as connection:
            for patience, ids in by_patience(lost, settings.LEASE):
                taken += take_overdue(connection, ids, patience)
            for patience, ids in by_patience(waiting, settings.LEASE):
                # As long again as it was waited for, which makes twice as long.
                set_on_woken(connection, ids, patience / 2)
        return self._publish(alias, taken)

    def _sorted(
        self, alias: str, overdue: Sequence[Overdue]
    ) -> tuple[list[Overdue], list[Overdue]]:
        """Tell lost wake-ups from those that may wait in a queue.

        A row whose receiver this process does not know counts as lost: it is only set on, and soon found
        by a process that knows more.

        Raises:
            Exception: the broker is away.
        """
        lease = conf.current().OUTBOX.LEASE
        lost: list[Overdue] = []
        waiting: list[Overdue] = []
        queues: dict[str | None, bool | None] = {None: None}
        for item in overdue:
            if registry.find(item.row.receiver) is None:
                lost.append(item)
                continue
            route, queue = self._route_of(alias, item.row)
            if queue not in queues:
                queues[queue] = self._broker.has_ready(str(queue))
            received = None if route is None else self._broker.last_received(route)
            (lost if is_lost(item, queues[queue], received, lease) else waiting).append(item)
        return lost, waiting

    def _route_of(self, alias: str, row: Due) -> tuple[Route | None, str | None]:
        """Return the route of a row's wake-up, and its queue; None for what cannot be told."""
        try:
            return self._broker.route_of(waking_for(alias, row, registry.get(row.receiver)))
        except Exception as error:
            if is_interruption(error):
                raise
            return None, None  # a route of the project's refuses, or the row's options are none

    def _publish(self, alias: str, due: Sequence[Due]) -> Look:
        """Publish wake-ups for rows that were taken; set back those that cannot be published."""
        known = [row for row in due if registry.find(row.receiver) is not None]
        wakings: list[Waking] = []
        failed: dict[str, BaseException] = {}
        for row in known:
            try:
                wakings.append(waking_for(alias, row, registry.get(row.receiver)))
            except (TypeError, ValueError) as error:  # its options are no JSON, or no options
                failed[row.id] = error
        try:
            if wakings:
                failed.update(self._broker.publish(wakings))
        except BaseException as error:
            failed = dict.fromkeys([row.id for row in known], error)
            raise
        finally:
            self._pauses.note(known, failed, is_away=self._broker.is_away())
            for pause, ids in self._pauses.of(row for row in known if row.id in failed):
                with self._store.connection(alias) as connection:
                    set_back(connection, ids, pause)
        for row in due:
            if registry.find(row.receiver) is None:
                set_unknown_on(self._store, alias, row, ends=self._ends_unknown)
        failure = next(iter(failed.values()), None)
        return Look(len(due), len(known) - len(failed), failure)
