"""The Celery task of each deferred receiver: where a message arrives, or a chunk of them.

A task is a thin body around `run_task`, which finds the receiver by name when it runs, so that a
module reload reaches it too.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from celery import current_app, shared_task
from celery.signals import worker_init, worker_ready

from deferred_signals.receivers import registry
from deferred_signals.receivers.options import names_at
from deferred_signals.support.frames import forget_values
from deferred_signals.worker.fixed import FIXED
from deferred_signals.worker.installed import warn_if_not_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Task

    from deferred_signals.receivers.receiver import Receiver

__all__ = ["declare", "undeclare"]

#: Options that are attributes of the task; None leaves a choice to Celery's settings.
ATTRIBUTES = tuple(name for name in names_at("task") if name != "base")

#: The names for which `declare` has made a task in this process.
_declared: set[str] = set()


def declare(receiver: Receiver) -> None:
    """Make the receiver's tasks, one for each name, on every app, as ``shared_task`` does."""
    base = receiver.options.base
    if base is not None:
        # A base of which no task can be made fails here. Celery would already have noted the task
        # for apps that are still to come.
        type(base.__name__, (base,), {"name": receiver.name, "run": _body(receiver)})()
    for name in (receiver.name, *receiver.options.aliases):
        if name not in _declared:
            make: Any = shared_task  # its stubs know one shape of arguments at a time
            make(name=name, **FIXED, **_attributes(receiver))(_body(receiver))
            _declared.add(name)
        elif name in current_app.tasks:
            _update(current_app.tasks[name], receiver)
        else:  # undeclared meanwhile; Celery cannot forget that the name is shared among all apps
            make = current_app.task
            make(name=name, shared=False, **FIXED, **_attributes(receiver))(_body(receiver))


def undeclare(receiver: Receiver) -> None:
    """Take the receiver's tasks from the current app, but those whose names another receiver has."""
    for name in (receiver.name, *receiver.options.aliases):
        if registry.find(name) is None:
            current_app.tasks.pop(name, None)


@cache
def _runner() -> Callable[[Task[..., object], Sequence[object]], str | None]:
    """Import what runs tasks: the worker's part, which a process that only sends does not need.

    A worker imports it at its start, before it forks children. So no child imports it again, and
    all of them share memory with their parent. Where no worker started, the first call imports it.
    """
    from deferred_signals.worker.entry import run_task  # noqa: PLC0415 - see above

    return run_task


@worker_init.connect(weak=False, dispatch_uid="deferred_signals.worker")
def _prepare_worker(**_kwargs: object) -> None:
    _runner()


@worker_ready.connect(weak=False, dispatch_uid="deferred_signals.worker.installed")
def _warn_if_not_installed(**_kwargs: object) -> None:
    warn_if_not_installed()


def _body(receiver: Receiver) -> Any:
    def run(self: Task[Any, Any], *args: object) -> str | None:
        try:
            return _runner()(self, args)
        except Exception as error:
            del args
            forget_values(error)
            raise

    function = receiver.function
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        value = getattr(function, name, None) or getattr(type(function), name, None)
        # Celery compiles a function of this name, which fails with a name like "<lambda>".
        if isinstance(value, str) and (name != "__name__" or value.isidentifier()):
            setattr(run, name, value)
    return run


def _attributes(receiver: Receiver) -> dict[str, Any]:
    options = receiver.options
    found = {name: getattr(options, name) for name in ATTRIBUTES}
    given = {name: value for name, value in found.items() if value is not None}
    return given if options.base is None else {**given, "base": options.base}


def _update(task: Task[Any, Any], receiver: Receiver) -> None:
    """Give the task of a reloaded module's receiver the options that the receiver has now.

    The task itself stays, since a worker may have built its tracer on it. Celery does not document
    how a task is changed: ``Task.bind`` fills what is None from Celery's settings, and a task that
    was published keeps its execution options in ``_exec_options``.
    """
    for attribute in ATTRIBUTES:
        setattr(type(task), attribute, getattr(receiver.options, attribute))
    task.bind(current_app)
    vars(task).pop("_exec_options", None)
