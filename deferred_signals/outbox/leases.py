"""Renew the claims of what runs in this worker, and charge the runs whose processes died.

Both are done by the worker's parent, on a thread: a child is busy with its receiver, and the parent's
own thread must not wait for a database.
"""

from __future__ import annotations

import logging
from collections import deque
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple

from django.db import Error

from deferred_signals import conf
from deferred_signals.errors import DecodeError
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.claims import find, renew
from deferred_signals.outbox.ending import Run, end
from deferred_signals.outbox.looping import Loop
from deferred_signals.outbox.releases import Holder
from deferred_signals.outbox.running import message_of, owner_of
from deferred_signals.outbox.together import give_back, remove_together
from deferred_signals.running.attempt import Attempt, prepare
from deferred_signals.running.deciding import charge
from deferred_signals.running.outcomes import Lost, Unknown
from deferred_signals.running.settling import settle
from deferred_signals.support.records import about
from deferred_signals.support.telling import log
from deferred_signals.worker.delivery import Elsewhere
from deferred_signals.worker.rows import running_wake_ups

if TYPE_CHECKING:
    from collections.abc import Callable

    from deferred_signals.outbox.store import Store

__all__ = ["Death", "Leases"]

#: Deaths that are noted at a time.
MOST_DEATHS = 1000


class Death(NamedTuple):
    """The end of a process that ran rows, or was about to.

    Attributes:
        name: the receiver's name.
        wake_ups: all that it was given, of one database.
        pid: the process.
        error: what ended it.
        through: how many of their runs are through.
        begun: how many have begun. A process that died before it began anything counts, too: else its
            rows would go round for ever.
    """

    name: str
    wake_ups: tuple[WakeUp, ...]
    pid: int | None
    error: BaseException
    through: int = 0
    begun: int = 1

    @property
    def using(self) -> str:
        """Return the alias of the rows' database."""
        return self.wake_ups[0].using


class Leases:
    """The claims of one worker.

    Arguments:
        store: lends connections.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        #: If a database stays away for long, the oldest are forgotten: the leases decide.
        self._deaths: deque[Death] = deque(maxlen=MOST_DEATHS)
        #: What else the worker's parent must not wait for.
        self._others: deque[Callable[[Store], None]] = deque()
        self._renew_at = 0.0
        self.loop = Loop("deferred_signals.leases", self._work)

    def note(self, death: Death) -> None:
        """Have a run charged, soon."""
        self._deaths.append(death)
        self.loop.start()
        self.loop.ring()

    def do_soon(self, other: Callable[[Store], None]) -> None:
        """Have a function called on the thread, which is given what lends connections."""
        self._others.append(other)
        self.loop.start()
        self.loop.ring()

    def end(self, patience: float) -> None:
        """Charge what is to be charged still, and end the thread.

        Arguments:
            patience: seconds that this may take.
        """
        self.loop.ring()
        until = monotonic() + patience
        while (self._deaths or self._others) and monotonic() < until:
            sleep(0.01)
        if self.loop.stop(max(0.0, until - monotonic())):
            self._store.close()

    def _work(self) -> float:
        """Renew first, as that is urgent. A database that is away holds up no other one's rows."""
        lease = conf.current().OUTBOX.LEASE
        away: dict[str, Error] = {}
        if monotonic() >= self._renew_at:
            self._renew(lease, away)
            if not away:
                self._renew_at = monotonic() + lease / 3
        self._charge_all(away)
        while self._others:
            self._others[0](self._store)
            self._others.popleft()
        for error in away.values():
            raise error
        return max(0.01, self._renew_at - monotonic())

    def _charge_all(self, away: dict[str, Error]) -> None:
        """Charge the deaths that were noted; those stay that belong to databases that are away."""
        for _ in range(len(self._deaths)):
            death = self._deaths[0]
            try:
                if death.using not in away:
                    self._see_to(death)
            except Error as error:
                away[death.using] = error
            except Exception as error:  # noqa: BLE001 - of one row: the others, and renewals, go on
                log(
                    logging.ERROR,
                    "The end of the process that ran durable message %s cannot be charged: its lease "
                    "decides",
                    death.wake_ups[0].id,
                    exc_info=error,
                    extra=about("not_charged", message_id=death.wake_ups[0].id),
                )
            if death.using in away:
                self._deaths.append(death)
            if self._deaths[0] is death:
                self._deaths.popleft()

    def _renew(self, lease: float, away: dict[str, Error]) -> None:
        running: dict[str, list[tuple[str, str]]] = {}
        for text, pid in running_wake_ups():
            try:
                wake_up = WakeUp.from_wire(text)
            except DecodeError:
                continue
            running.setdefault(wake_up.using, []).append((wake_up.id, owner_of(pid)))
        for alias, claimed in running.items():
            if alias not in conf.current().OUTBOX.DATABASES:
                continue
            try:
                with self._store.connection(alias) as connection:
                    renew(connection, claimed, lease)
            except Error as error:
                away[alias] = error

    def _see_to(self, death: Death) -> None:
        """End what is through, charge the run that ended, and give the other rows back.

        Raises:
            django.db.Error: the database does not answer; the death stays noted.
        """
        if death.using not in conf.current().OUTBOX.DATABASES:
            return
        owner = "" if death.pid is None else owner_of(death.pid)
        for wake_up in death.wake_ups[death.through : death.begun]:
            self._charge(death.name, wake_up, owner, death.error)
        attempt, ids = death.wake_ups[0].attempt, [wake_up.id for wake_up in death.wake_ups]
        with self._store.connection(death.using) as connection:
            if through := ids[: death.through]:
                remove_together(connection, through, owner)
            if others := ids[death.begun :]:
                give_back(connection, others, attempt, owner)

    def _charge(self, name: str, wake_up: WakeUp, owner: str, error: BaseException) -> None:
        with self._store.connection(wake_up.using) as connection:
            found = find(connection, wake_up.id)
            if found is None or found.receiver != name:
                return
            try:
                message = message_of(found.payload, wake_up.attempt + 1)
            except DecodeError:
                return  # the lease decides
            prepared = prepare(message)
            if isinstance(prepared, Unknown):
                return
            if isinstance(prepared, Attempt):
                prepared = prepared._replace(elapsed=lambda: found.age)
            holder = Holder(wake_up.attempt + 1, dead=owner)
            this = Run(wake_up.using, wake_up.id, holder, found.error, order_key=found.order_key)
            outcome = end(connection, this, charge(prepared, error))
            # Within the block, so that on SQLite no child is forked while a listener writes.
            if not isinstance(outcome, (Elsewhere, Lost)):
                settle(message, outcome)
