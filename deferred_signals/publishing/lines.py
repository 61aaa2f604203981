"""The lines of this process: one for each Celery app, to the broker that the app's settings name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from deferred_signals.publishing.celery_settings import answers
from deferred_signals.publishing.line import Line

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["Line", "line_of"]

#: The process is a part of the key because uWSGI forks in C, where no hook of Python's runs.
_lines: dict[tuple[int, Celery, str], Line] = {}

#: Lines of the process that this one was forked from. They are kept: if they were collected, their
#: drivers would close the connection on a socket that the parent process still uses.
_inherited: list[Line] = []


def line_of(app: Celery) -> Line:
    """Give the line of an app, which is the current one, to the broker that its settings name now."""
    key = (os.getpid(), app, answers().broker)
    line = _lines.get(key)
    if line is None:
        line = _lines.setdefault(key, Line(app))
    return line


def _leave_to_parent() -> None:
    _inherited.extend(_lines.values())
    _lines.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
