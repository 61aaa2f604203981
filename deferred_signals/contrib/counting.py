"""Ask the outbox for its depth, once for all gauges that are read at one time."""

from __future__ import annotations

import logging
import os
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.outbox.operations.depth import depth
from deferred_signals.outbox.store import OneUse
from deferred_signals.support.records import about
from deferred_signals.support.telling import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.outbox.operations.depth import Depth

__all__ = ["Counting"]


class Counting:
    """The depth of the outbox of each database, asked by this process and by none that it forks.

    Arguments:
        every: seconds for which an answer holds.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._pid = os.getpid()
        self._store = OneUse()
        self._lock = Lock()
        self._found: list[Depth] = []
        self._until = 0.0
        self._has_warned = False

    def found(self) -> Sequence[Depth]:
        """Return the depth of each outbox that answers; nothing in a forked process.

        Never raises for what a database does.
        """
        if os.getpid() != self._pid:
            return ()
        with self._lock:
            if monotonic() >= self._until:
                self._found = [
                    found
                    for alias in conf.current().OUTBOX.DATABASES
                    if (found := self._ask(alias)) is not None
                ]
                self._until = monotonic() + self._every
            return self._found

    def _ask(self, alias: str) -> Depth | None:
        try:
            with self._store.connection(alias) as connection:
                found = depth(connection)
        except Exception as error:  # noqa: BLE001 - one that is away must not end the other metrics
            if not self._has_warned:
                self._has_warned = True
                log(
                    logging.WARNING,
                    "The outbox of database %s cannot be counted (%s): telemetry goes without it",
                    alias,
                    type(error).__name__,
                    extra=about("not_counted"),
                )
            return None
        self._has_warned = False
        return found
