"""Renew the claims of what runs in this worker, and charge the runs whose processes died.

Both are done by the worker's parent, on a thread: a child is busy with its receiver, and the parent's
own thread must not wait for a database.
"""

from __future__ import annotations

from collections import deque
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple

from deferred_signals import conf
from deferred_signals.errors import DecodeError
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.claims import Holder, find, renew
from deferred_signals.outbox.ending import Run, end
from deferred_signals.outbox.looping import Loop
from deferred_signals.outbox.running import message_of, owner_of
from deferred_signals.outbox.together import give_back, remove_together
from deferred_signals.running.attempt import Attempt, prepare
from deferred_signals.running.deciding import charge
from deferred_signals.running.outcomes import Lost, Unknown
from deferred_signals.running.settling import settle
from deferred_signals.worker.delivery import Elsewhere
from deferred_signals.worker.rows import running_wake_ups

if TYPE_CHECKING:
    from deferred_signals.outbox.store import Store

__all__ = ["Death", "Leases"]


class Death(NamedTuple):
    """The end of a process that ran rows, or was about to.

    Attributes:
        wake_ups: all that it was given.
        through: how many of their runs are through.
        begun: how many have begun.
        pid: the process.
        error: what ended it.
    """

    wake_ups: tuple[WakeUp, ...]
    through: int
    begun: int
    pid: int | None
    error: BaseException


class Leases:
    """The claims of one worker.

    Arguments:
        store: lends connections.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._deaths: deque[Death] = deque()
        self._renew_at = 0.0
        self.loop = Loop("deferred_signals.leases", self._work)

    def note(self, death: Death) -> None:
        """Have a run charged, soon."""
        self._deaths.append(death)
        self.loop.start()
        self.loop.ring()

    def end(self, patience: float) -> None:
        """Charge what is to be charged still, and end the thread.

        Arguments:
            patience: seconds that this may take.
        """
        self.loop.ring()
        until = monotonic() + patience
        while self._deaths and monotonic() < until:
            sleep(0.01)
        self.loop.stop(max(0.0, until - monotonic()))

    def _work(self) -> float:
        while self._deaths:
            self._see_to(self._deaths[0])
            self._deaths.popleft()
        lease = conf.current().OUTBOX.LEASE
        if monotonic() >= self._renew_at:
            self._renew(lease)
            self._renew_at = monotonic() + lease / 3
        return max(0.01, self._renew_at - monotonic())

    def _renew(self, lease: float) -> None:
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
            with self._store.connection(alias) as connection:
                renew(connection, claimed, lease)

    def _see_to(self, death: Death) -> None:
        """End what is through, charge the run that ended, and give the other rows back.

        Raises:
            django.db.Error: the database does not answer; the death stays noted.
        """
        owner = "" if death.pid is None else owner_of(death.pid)
        for wake_up in death.wake_ups[death.through : death.begun]:
            self._charge(wake_up, owner, death.error)
        using, attempt = death.wake_ups[0].using, death.wake_ups[0].attempt
        ids = [wake_up.id for wake_up in death.wake_ups]
        with self._store.connection(using) as connection:
            if through := ids[: death.through]:
                remove_together(connection, through, owner)
            if others := ids[death.begun :]:
                give_back(connection, others, attempt, owner)

    def _charge(self, wake_up: WakeUp, owner: str, error: BaseException) -> None:
        with self._store.connection(wake_up.using) as connection:
            found = find(connection, wake_up.id)
            if found is None:
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
        if not isinstance(outcome, (Elsewhere, Lost)):
            settle(message, outcome)
