"""Telling of a failure after Celery has handled it.

What ends a task is Celery's to report: error trackers patch it, and say of such a failure that
nobody handled it. They report an exception once, by whom they heard of it first. So a failure that
is raised to Celery is logged, and told to the lifecycle signals, when Celery is through with it.

Celery says so by ``task_failure``; where its result backend, or an ``on_failure`` of the project's,
keeps it from that, by ``task_postrun``, which it always sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from celery.signals import task_failure, task_postrun

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery.app.task import Context

__all__ = ["afterwards"]

#: What is to be told when Celery is through, by the request of the task that has failed. (A request
#: itself is no place for it: all of a message's headers are there.)
_untold: WeakKeyDictionary[Context, list[Callable[[], None]]] = WeakKeyDictionary()


def afterwards(request: Context, tell: Callable[[], None]) -> None:
    """Call a function when Celery has handled the failure of a task.

    Arguments:
        request: Celery's, of the task that is about to fail.
        tell: the function.
    """
    if request.called_directly:  # as a function: Celery will handle nothing
        tell()
    else:
        _untold.setdefault(request, []).append(tell)


def _tell(sender: Any, **_kwargs: object) -> None:
    for tell in _untold.pop(sender.request, ()):
        tell()


for signal in (task_failure, task_postrun):
    signal.connect(_tell, weak=False, dispatch_uid="deferred_signals.afterwards")
