"""``base=``: the classes that the task of a deferred receiver may be derived from."""

from __future__ import annotations

import inspect
from typing import Any

from deferred_signals.errors import InvalidReceiver
from deferred_signals.support.validators import Unfit

__all__ = ["task_base"]

_COALESCE = "coalesce= makes one message of several sends in one transaction"
_TOGETHER = "chunk_size= lets calls of one transaction travel together, coalesce= merges them"

#: Libraries whose bases look at a task's arguments, and what to use instead.
_LIBRARIES = {
    "celery_batches": _TOGETHER,
    "celery_debounce": _COALESCE,
    "celery_heimdall": _COALESCE,
    "celery_once": _COALESCE,
    "celery_queued_once": _COALESCE,
    "celery_singleton": _COALESCE,
}

#: The same bases where a project keeps a copy of one.
_CLASSES = {"Batches": _TOGETHER, "QueueOnce": _COALESCE, "Singleton": _COALESCE}


def task_base(value: object) -> type:
    """Accept a class derived from Celery's task that does not look at a task's arguments.

    The task of a deferred receiver has one argument: the text of a message, or several texts where
    they travel in a chunk. A base that compares arguments would be of no use, as no two texts are
    equal.

    Raises:
        Unfit: it is no task class.
        InvalidReceiver: it looks at a task's arguments.
    """
    parents = value.__mro__ if isinstance(value, type) else ()
    if not any(_is_celerys_task(parent) for parent in parents):
        raise Unfit("a class derived from celery.Task", value)
    for parent in parents:
        if _is_celerys_task(parent):
            break
        instead = _instead_of(parent)
        if instead is not None:
            raise InvalidReceiver(
                f"base={_path(parents[0])} looks at the arguments of a task, and the only one of "
                f"a deferred receiver's task is its message. Remove base=; {instead}."
            )
    return parents[0]


def _instead_of(parent: type) -> str | None:
    """Tell what to use instead of a class that looks at arguments; None where it does not."""
    for part in parent.__module__.split("."):
        if part in _LIBRARIES:
            return _LIBRARIES[part]
    if parent.__name__ in _CLASSES:
        return _CLASSES[parent.__name__]
    if _names_arguments(vars(parent).get("__call__")):
        return f"__call__ of {_path(parent)} may take (self, *args, **kwargs) and pass them on"
    return None


def _names_arguments(method: Any) -> bool:
    if not inspect.isfunction(method):
        return False
    parameters = list(inspect.signature(method).parameters.values())[1:]
    return any(
        item.kind in {item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD} for item in parameters
    )


def _is_celerys_task(kind: type) -> bool:
    # By its name, so that Celery need not be imported to validate options.
    return (kind.__module__, kind.__name__) == ("celery.app.task", "Task")


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
