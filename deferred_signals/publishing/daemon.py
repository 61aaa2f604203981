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
        #: The thread is there. `Thread.is_alive` would let all other greenlets of gevent run first.
        self._is_there = False
        #: Its holder can take it again: a handler of a Unix signal may interrupt `start`, and send.
        self._lock = threading.RLock()

    def forbid(self) -> None:
        """Start no further thread."""
        self._allowed = False

    @property
    def is_running(self) -> bool:
        """Return whether the thread runs; while the interpreter is finalized it is halted."""
        return self._is_there and not sys.is_finalizing()

    def start(self) -> bool:
        """Ensure that the thread runs; return False if no thread can be started, or the process ends."""
        return self.is_running or self._start()

    def _start(self) -> bool:
        with self._lock:
            if self.is_running:
                return True
            if sys.is_finalizing() or not self._allowed:
                return False
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._is_there = True
            try:
                thread.start()
            except BaseException as error:
                self._is_there = False
                if isinstance(error, RuntimeError):
                    return False
                raise
            return True

    def _run(self) -> None:
        self._is_there = True  # `start` may have been interrupted
        try:
            self._serve()
        finally:
            self._is_there = False
