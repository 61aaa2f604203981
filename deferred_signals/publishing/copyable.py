"""Whether a copy of a recorded message is what Celery would have made of it."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from celery import Celery, Task, signals
from celery.app.amqp import AMQP
from celery.app.routes import MapRoute
from kombu import Producer

if TYPE_CHECKING:
    from deferred_signals.publishing.patterns import Publication

__all__ = ["is_timeless", "is_unpatched", "may_copy", "may_copy_task"]


def may_copy(app: Celery) -> bool:
    """Whether nobody but Celery has a say in a single message of this app.

    Listeners of its publish signals write into each message; a callable route or an overridden
    method may look at it; a running task is told of each of its children.
    """
    router: Any = app.amqp.router  # its stubs do not know its routes
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
    """Whether the same is true of a task, whose messages are of a form that is known here.

    Patches of Celery's own classes are let pass: tracers patch ``Task.apply_async`` to add the
    headers of the request, which are the same for all messages of a flush.
    """
    return (
        task.ignore_result  # else its backend wants to know of each id
        and isinstance(recorded.body, tuple)  # protocol 2
        and recorded.arguments["headers"]["root_id"] == recorded.arguments["correlation_id"]
        and _is_of(Task, task, "apply_async")
        and _is_of(Task, task, "shadow_name")
    )


def is_timeless(recorded: Publication) -> bool:
    """Whether nothing in a message belongs to the moment of its flush."""
    headers = recorded.arguments["headers"]
    return headers["eta"] is None and headers["expires"] is None


def is_unpatched() -> bool:
    """Whether nobody patched what writes messages, as tracers do to add the request's trace.

    A wrapper may pretend to be what it wraps, but for its type; and a function's globals are its
    module's. Of kombu's producer all methods are looked at: tracers patch private ones, too, which
    this need not know by name.
    """
    return all(
        type(method) is FunctionType and method.__globals__ is vars(sys.modules[module])
        for method, module in (
            (vars(Task)["apply_async"], "celery.app.task"),
            (vars(Celery)["send_task"], "celery.app.base"),
            *((each, "kombu.messaging") for each in vars(Producer).values() if callable(each)),
        )
    )


def _is_of(base: type, instance: object, name: str) -> bool:
    """Whether a method is the base's, patched or not: neither a subclass nor the instance has one.

    To compare the methods would not do, since some patches make a new object at each look.
    """
    owner = next(cls for cls in type(instance).__mro__ if name in vars(cls))
    return owner is base and name not in vars(instance)
