"""Decide whether a copy of a recorded message is what Celery would have made.

This is the one place that looks into Celery for that: at the router's ``routes``, at the class of
``app.amqp``, at ``current_worker_task``, and at the globals of Celery's functions and of kombu's producer.
``tests/publishing/test_copyable.py`` notices if one of these changes its meaning.
"""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from celery import Celery, Task, signals
from celery.app.amqp import AMQP
from celery.app.routes import MapRoute
from kombu import Producer

from deferred_signals.publishing.waits import HEADER

if TYPE_CHECKING:
    from deferred_signals.publishing.patterns import Publication

__all__ = ["is_plain", "is_timeless", "is_unpatched", "may_copy", "may_copy_task"]


def may_copy(app: Celery) -> bool:
    """Return whether nothing but Celery itself acts on a single message of this app.

    Listeners of Celery's publish signals write into each message. A callable route or an overridden
    method may look at it. A running task is told of each of its children.
    """
    router: Any = app.amqp.router  # its stubs lack its routes
    return (
        not any(
            signal.receivers
            for signal in (
                signals.before_task_publish,
                signals.after_task_publish,
                signals.task_sent,
            )
        )
        and app.current_worker_task is None
        and type(app.amqp) is AMQP
        and all(isinstance(route, MapRoute) for route in router.routes)
        and _is_of(Celery, app, "send_task")
    )


def may_copy_task(task: Task[Any, Any], recorded: Publication) -> bool:
    """Return whether the same is true of a task, and its messages have the form that copies are made of.

    Patches of Celery's own classes are no obstacle: tracers patch ``Task.apply_async`` to add the headers
    of the request, which are the same for all messages of a flush.
    """
    return (
        isinstance(recorded.body, tuple)  # protocol 2
        and recorded.arguments["headers"]["root_id"] == recorded.arguments["correlation_id"]
        and is_plain(task)
    )


def is_plain(task: Task[Any, Any]) -> bool:
    """Return whether a task's class leaves its messages to Celery, and no result backend is told."""
    return (
        task.ignore_result
        and _is_of(Task, task, "apply_async")
        and _is_of(Task, task, "shadow_name")
    )


def is_timeless(recorded: Publication) -> bool:
    """Return whether nothing in a message depends on the moment of its flush."""
    headers = recorded.arguments["headers"]
    return headers["eta"] is None and headers["expires"] is None and HEADER not in headers


def is_unpatched() -> bool:
    """Return whether nobody patched what writes messages, as tracers do to add the request's trace.

    A wrapper may pretend to be what it wraps, but it cannot have the type of a function and the globals of
    Celery's or kombu's own module. All methods of kombu's producer are checked: tracers patch private ones,
    too, and their names need not be known here.
    """
    global _looked_at  # noqa: PLW0603 - the cache of one value, replaced as a whole
    methods = (vars(Task)["apply_async"], vars(Celery)["send_task"], *vars(Producer).values())
    before, found = _looked_at
    if methods != before:
        modules = ("celery.app.task", "celery.app.base", *["kombu.messaging"] * len(methods))
        found = all(
            type(method) is FunctionType and method.__globals__ is vars(sys.modules[module])
            for method, module in zip(methods, modules, strict=False)
            if callable(method)
        )
        _looked_at = methods, found
    return found


#: The methods that were looked at last, and whether nobody has patched them.
_looked_at: tuple[tuple[Any, ...], bool] = (), False


def _is_of(base: type, instance: object, name: str) -> bool:
    """Return whether a method is the base's, patched or not: no subclass and no instance overrides it.

    The methods themselves cannot be compared, since some patches make a new object at each look.
    """
    owner = next(cls for cls in type(instance).__mro__ if name in vars(cls))
    return owner is base and name not in vars(instance)
