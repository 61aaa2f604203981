"""A daemon thread of a worker's parent that does something again and again, and survives its errors."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from django.db import connections

from deferred_signals.support.records import about
from deferred_signals.support.telling import log

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Loop"]

#: Seconds to wait after an error.
PAUSE = 1.0


class Loop:
    """Call a function again and again, on a thread of its own.

    Arguments:
        name: the thread's.
        work: does what there is to do, and returns the seconds until it is to be called again.
        most: how many times as long the wait after an error is, if errors go on.
    """

    def __init__(self, name: str, work: Callable[[], float], most: int = 1) -> None:
        self._name = name
        self._work = work
        self._most = most
        self._thread: threading.Thread | None = None
        self._bell = threading.Event()
        self._is_over = False

    def start(self) -> None:
        """Start the thread, if it does not run."""
        if self._thread is None or not self._thread.is_alive():
            self._is_over = False
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def ring(self) -> None:
        """Have the function called now."""
        self._bell.set()

    def stop(self, patience: float) -> bool:
        """End the thread, after what it is doing; return whether it has ended.

        Arguments:
            patience: seconds to wait for that.
        """
        self._is_over = True
        self._bell.set()
        if self._thread is None:
            return True
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._is_over:
            try:
                wait = self._work()
                failures = 0
            except Exception as error:  # noqa: BLE001 - a database or a broker that is away, above all
                failures += 1
                wait = PAUSE * min(failures, self._most)
                if failures == 1:
                    log(
                        logging.WARNING,
                        "The thread %s of durable delivery failed, and tries again: %s: %s",
                        self._name,
                        type(error).__name__,
                        error,
                        extra=about("thread_failed"),
                    )
            with suppress(Exception):  # what handlers of the project's have opened may be broken
                connections.close_all()
            self._bell.wait(wait)
            self._bell.clear()
