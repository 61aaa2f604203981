"""The worker's part of the library, in one import: what runs a receiver's task.

`deferred_signals.worker.tasks` says when it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.message.wakeup import is_wake_up
from deferred_signals.worker import parked, relaying  # noqa: F401 - their tasks are known to every worker
from deferred_signals.worker.calls import run_message
from deferred_signals.worker.chunks import run_chunk
from deferred_signals.worker.pieces import wait_until_due
from deferred_signals.worker.woken import run_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Task

__all__ = ["run_task"]


def run_task(task: Task[..., object], payloads: Sequence[object]) -> str | None:
    """Run what a message of Celery's brought: one message of ours, a chunk of them, or a wake-up.

    Return what Celery is told as the task's result.
    """
    if payloads and is_wake_up(payloads[0]):
        return run_rows(task, payloads)
    wait_until_due(task.name, task.request, payloads)
    if len(payloads) > 1:
        run_chunk(task, task.request, payloads)
        return None
    return run_message(task.name, task.request, payloads[0] if payloads else payloads)
