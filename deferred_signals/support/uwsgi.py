"""What is different under uWSGI: it forks and ends processes in C, where no hook of Python's runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call_at_end", "may_fork"]


def may_fork() -> bool:
    """Return whether uWSGI may fork this process at any moment: its master, or what loads before the fork.

    A child inherits the locks that other threads hold, Python's own included, and would wait for them
    for ever. So no thread may be started here.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None:
        return False
    return uwsgi.worker_id() == 0 and uwsgi.masterpid() in {0, os.getpid()}


def call_at_end(function: Callable[[], object]) -> None:
    """Call a function when uWSGI ends this process, before what was to be called until now."""
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None:
        return
    before = getattr(uwsgi, "atexit", None)

    def call_and_go_on() -> None:
        function()
        if before is not None:
            before()

    uwsgi.atexit = call_and_go_on
