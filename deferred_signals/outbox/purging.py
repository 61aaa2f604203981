"""Remove dead letters that are older than ``RETENTION``, as relays do now and then."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.outbox.operations.letters import remove_old

if TYPE_CHECKING:
    from deferred_signals.outbox.store import Lender

__all__ = ["Purging"]

#: Seconds between two times.
EVERY = 3600.0

#: Batches that are removed at a time: what waits for a relay's look must not wait for long.
MOST_BATCHES = 20


class Purging:
    """The purges of one relay.

    Arguments:
        store: lends connections.
    """

    def __init__(self, store: Lender) -> None:
        self._store = store
        self._next = 0.0

    def purge_if_due(self) -> None:
        """Purge each database, if the last time is long ago, or left something.

        Raises:
            django.db.Error: a database does not answer.
        """
        if monotonic() < self._next:
            return
        settings = conf.current().OUTBOX
        are_through = [self._purge(alias, settings.RETENTION) for alias in settings.DATABASES]
        self._next = monotonic() + (EVERY if all(are_through) else 0.0)

    def _purge(self, alias: str, retention: float) -> bool:
        """Purge a database; return whether nothing is left."""
        with self._store.connection(alias) as connection:
            for _ in range(MOST_BATCHES):
                if remove_old(connection, retention).is_last:
                    return True
        return False
