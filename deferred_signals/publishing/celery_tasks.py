"""The Celery tasks of receivers, and what logs and monitors show as their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.app import app_or_default

from deferred_signals.message.description import bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Task

__all__ = ["argsrepr", "load_tasks", "task_of"]


def task_of(name: str) -> Task[Any, Any]:
    """Give the task of a receiver, on the current app."""
    return current_app.tasks[name]


def load_tasks() -> None:
    """Import what a worker imports when it starts, beside Django's apps."""
    app: Any = app_or_default()
    app.loader.import_default_modules()


def argsrepr(calls: Sequence[str]) -> str:
    """Write what logs and monitors show as the arguments of a task.

    Arguments:
        calls: the description of each message's kwargs, which holds no values.

    >>> argsrepr(["instance=shop.Order 7, created"])
    '(instance=shop.Order 7, created)'
    >>> argsrepr(["order=shop.Order 7", "order=shop.Order 8"])
    '(2 calls: order=shop.Order 7; order=shop.Order 8)'
    >>> argsrepr(["order_id, email"] * 3)
    '(3 calls: order_id, email)'
    """
    if len(calls) == 1:
        return f"({calls[0]})"
    return f"({len(calls)} calls: {bounded('; '.join(dict.fromkeys(calls)))})"
