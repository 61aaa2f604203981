"""A thread that serves others, where one can be had."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Daemon"]


class Daemon:
    """A daemon thread, from the first time that it is needed; another one if it ever ended.

    Arguments:
        serve: what it runs.
        name: the thread's.
        allowed: False: there is never one.
    """

    def __init__(self, serve: Callable[[], None], name: str, *, allowed: bool = True) -> None:
        self._allowed = allowed
        self._serve = serve
        self._name = name
        self._thread: threading.Thread | None = None
        #: Its thread can take it again: a handler of a Unix signal may interrupt it in `start`.
        self._lock = threading.RLock()

    @property
    def is_running(self) -> bool:
        """Whether the thread is there, and not halted, as when the interpreter is finalized."""
        thread = self._thread
        return thread is not None and thread.is_alive() and not sys.is_finalizing()

    def start(self) -> bool:
        """Have the thread; False where the machine is short of them, or the process ends."""
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
