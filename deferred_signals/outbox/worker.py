"""The worker's side of durable delivery: what the outbox plugs in where rows are run."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError, DecodeError
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.chunks import run_chunk
from deferred_signals.outbox.keeping import bury, keep_waiting
from deferred_signals.outbox.leases import Death, Leases
from deferred_signals.outbox.relay import Relay
from deferred_signals.outbox.running import run_row
from deferred_signals.outbox.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.worker.delivery import Delivery, Elsewhere, GivenBack
    from deferred_signals.worker.progress import Progress
    from deferred_signals.worker.rows import Kept

__all__ = ["OutboxRows"]

#: Seconds that a worker which shuts down waits for what its threads are doing.
PATIENCE = 5.0


class OutboxRows:
    """Runs rows, and does for them what goes on beside the runs."""

    def __init__(self) -> None:
        self._store = Store()
        #: The threads have connections of their own: a run must not wait for a relay's look.
        self._leases = Leases(Store())
        self._relay = Relay(Store())

    def run(self, delivery: Delivery, wake_up: WakeUp) -> Outcome | Elsewhere | GivenBack | None:
        """Claim the row of a wake-up, run it, and settle it; return what to tell Celery.

        Raises:
            ConfigurationError: the wake-up names a database that has no outbox here.
        """
        _check_database(wake_up)
        return run_row(self._store, delivery, wake_up)

    def run_chunk(
        self, delivery: Delivery, wake_ups: Sequence[WakeUp], progress: Progress
    ) -> GivenBack | None:
        """Do the same for several rows; return what to tell Celery.

        Raises:
            ConfigurationError: a wake-up names a database that has no outbox here.
        """
        for wake_up in wake_ups:
            _check_database(wake_up)
        return run_chunk(self._store, delivery, wake_ups, progress)

    def charge(
        self,
        name: str,
        wake_ups: Sequence[str],
        progress: Progress,
        pid: int | None,
        error: BaseException,
    ) -> None:
        """Charge the run of a row whose process died, soon, and on another thread."""
        with suppress(DecodeError):
            opened = tuple(WakeUp.from_wire(text) for text in wake_ups)
            begun = max(1, progress.begun)
            self._leases.note(Death(name, opened, pid, error, progress.through, begun))

    def keep(self, kept: Sequence[Kept]) -> None:
        """Keep messages of commit delivery until they are due.

        Raises:
            Exception: they cannot be kept.
        """
        keep_waiting(self._store, kept)

    def bury(self, kept: Sequence[Kept], *, soon: bool) -> None:
        """Leave the dead letters of messages of commit delivery."""
        if soon:
            self._leases.do_soon(partial(bury, kept=kept))
        else:
            bury(self._store, kept)

    def look(self) -> int:
        """Wake up all that is due; return how many rows that were."""
        return self._relay.look_until_done().woken

    def begin(self) -> None:
        """Begin to renew claims and to wake up what is due: the worker is ready."""
        self._leases.loop.start()
        if conf.current().OUTBOX.RELAY_IN_WORKER:
            self._relay.loop.start()

    def end(self) -> None:
        """End that: the worker shuts down."""
        self._relay.end(PATIENCE)
        self._leases.end(PATIENCE)
        self.leave()

    def leave(self) -> None:
        """Close what this process has open: it is a worker's child that ends."""
        self._store.close()


def _check_database(wake_up: WakeUp) -> None:
    databases = conf.current().OUTBOX.DATABASES
    if wake_up.using not in databases:
        raise ConfigurationError(
            f"A wake-up names the database {wake_up.using!r}, and this worker's "
            f"DEFERRED_SIGNALS['OUTBOX']['DATABASES'] has {', '.join(databases)}. Give workers the "
            f"senders' setting."
        )
