"""The lines of this process: one for each Celery app, to the broker that the app's settings name."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from celery.app import app_or_default
from celery.signals import worker_process_shutdown

from deferred_signals.publishing.breaker import settings
from deferred_signals.publishing.celery_settings import answers
from deferred_signals.publishing.line import Line
from deferred_signals.publishing.recorder import prepare
from deferred_signals.publishing.spilling import drop, spill_last
from deferred_signals.publishing.stores import without_store
from deferred_signals.support.uwsgi import call_at_end

if TYPE_CHECKING:
    from celery import Celery

    from deferred_signals.receivers.receiver import Receiver

__all__ = ["Line", "close_lines", "drop_kept", "is_away", "line_of", "wake"]

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
        _end_in_this_process()
        for other in [other for other in _lines if other[:2] == key[:2] and other != key]:
            _lines.pop(other).retire()
    return line


def is_away() -> bool:
    """Return whether the broker of the current app is known to be away; commits do not wait for it."""
    return line_of(app_or_default()).is_away


def wake(app: Celery, receiver: Receiver) -> None:
    """Let the line of an app connect, and Celery prepare; on a thread that has no app of its own.

    Arguments:
        app: the app of the thread that sends.
        receiver: the first one that something is sent to.
    """
    app.set_current()  # for this thread
    line = line_of(app)
    line.wake()
    line.wake(prepare(app, receiver))


def drop_kept(*, tell: bool = False) -> None:
    """Keep nothing any longer: a test has ended, and the next one must not publish its messages.

    Arguments:
        tell: report the messages as lost.
    """
    with without_store():
        drop(is_told=tell)
        for line in _own_lines():
            line.drop_kept(tell=tell)


def close_lines(**_kwargs: object) -> None:
    """Publish what is kept, since this process ends; spill or report what cannot be published in time."""
    with ExitStack() as stack:  # whatever interrupts the close of one line, the others are closed
        stack.callback(spill_last, settings().CONNECT_TIMEOUT)  # after the lines
        for line in _own_lines():
            stack.callback(line.close, settings().CONNECT_TIMEOUT)


def _own_lines() -> list[Line]:
    return [line for (pid, *_), line in list(_lines.items()) if pid == os.getpid()]


#: Processes that call `close_lines` when they end. Children of a fork inherit the hooks.
_ending: set[int] = set()


def _end_in_this_process() -> None:
    """Call `close_lines` when the process ends, in each way of ending that Python sees.

    Celery's children end without `atexit`. So do those of `multiprocessing` before Python 3.13, and uWSGI's
    workers with ``skip-atexit-teardown``.
    """
    if not _ending:
        atexit.register(close_lines)
        worker_process_shutdown.connect(close_lines, weak=False)
    if os.getpid() in _ending:
        return
    _ending.add(os.getpid())
    call_at_end(close_lines)
    util: Any = sys.modules.get("multiprocessing.util")  # a child of `multiprocessing` has it
    if util is not None:
        util.Finalize(None, close_lines, exitpriority=0)


def _leave_to_parent() -> None:
    _inherited.extend(_lines.values())
    _lines.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
