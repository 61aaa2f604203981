"""A task that is given a wake-up: it runs a row of the outbox instead of a message."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded

from deferred_signals.errors import DecodeError
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.running.outcomes import Lost
from deferred_signals.running.settling import settle_malformed
from deferred_signals.worker.afterwards import afterwards
from deferred_signals.worker.calls import told_to_celery
from deferred_signals.worker.delivery import Delivery, GivenBack
from deferred_signals.worker.rows import rows

if TYPE_CHECKING:
    from celery import Task

__all__ = ["run_row"]


def run_row(task: Task[..., object], wake_up: str) -> str | None:
    """Run the row of a wake-up; return what Celery is told as the task's result.

    Raises:
        celery.exceptions.TaskPredicate: how the run ended, told in Celery's words.
        DecodeError: the text is no wake-up.
        Exception: the receiver's own, when the message is given up.
    """
    try:
        WakeUp.from_wire(wake_up)
    except DecodeError as error:
        afterwards(task.request, partial(settle_malformed, task.name, error))
        raise
    try:
        outcome = rows().run(Delivery(task.name, task.request), wake_up)
    except SoftTimeLimitExceeded as error:  # outside the receiver: in the wait for the database
        outcome = GivenBack(error)
    if outcome is None or isinstance(outcome, Lost):
        return "not here"
    return told_to_celery(outcome)
