"""Settle a failure after Celery has handled it.

Celery reports what ends a task: error trackers patch Celery, and mark such a failure as unhandled.
They report an exception once, for whoever told them first. So a failure that is raised to Celery is
settled (logged, and told to the lifecycle signals) when Celery has finished with it.

Celery sends ``task_failure`` at that moment. Where its result backend, or an ``on_failure`` of the
project's, raises before, ``task_postrun`` is sent in any case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from celery.signals import task_failure, task_postrun

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery.app.task import Context

__all__ = ["afterwards"]

#: What is to be called when Celery has finished, by the request of the failed task. (The request
#: itself is no place for it: a message's headers become the request's attributes.)
_untold: WeakKeyDictionary[Context, list[Callable[[], None]]] = WeakKeyDictionary()


def afterwards(request: Context, tell: Callable[[], None]) -> None:
    """Call a function when Celery has handled the failure of a task.

    Arguments:
        request: Celery's, of the task that is about to fail.
        tell: the function, which settles a message.
    """
    if request.called_directly:  # as a function: Celery handles nothing
        tell()
    else:
        _untold.setdefault(request, []).append(tell)


def _tell(sender: Any, **_kwargs: object) -> None:
    for tell in _untold.pop(sender.request, ()):
        tell()


for signal in (task_failure, task_postrun):
    signal.connect(_tell, weak=False, dispatch_uid="deferred_signals.afterwards")
