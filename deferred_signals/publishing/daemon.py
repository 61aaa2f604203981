"""A daemon thread that serves other threads, if the process can start one."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Daemon"]


class Daemon:
    """A daemon thread, started when it is first needed, and again if it ever ended.

    Arguments:
        serve: what the thread runs.
        name: the thread's name.
        allowed: if False, the thread is never started.
    """

    def __init__(self, serve: Callable[[], None], name: str, *, allowed: bool = True) -> None:
        self._allowed = allowed
        self._serve = serve
        self._name = name
        self._thread: threading.Thread | None = None
        #: Its holder can take it again: a handler of a Unix signal may interrupt `start`, and send.
        self._lock = threading.RLock()

    def forbid(self) -> None:
        """Start no further thread."""
        self._allowed = False

    @property
    def is_running(self) -> bool:
        """Return whether the thread runs; while the interpreter is finalized it is halted."""
        thread = self._thread
        return thread is not None and thread.is_alive() and not sys.is_finalizing()

    def start(self) -> bool:
        """Ensure that the thread runs; return False if no thread can be started, or the process ends."""
        with self._lock:
            if self.is_running:
                return True
            if sys.is_finalizing() or not self._allowed:
                return False
            thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
            return True
