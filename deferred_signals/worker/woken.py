"""A task that is given wake-ups: it runs rows of the outbox instead of messages."""

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
from deferred_signals.worker.progress import SLOT, Progress
from deferred_signals.worker.rows import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Task

__all__ = ["run_rows"]


def run_rows(task: Task[..., object], payloads: Sequence[object]) -> str | None:
    """Run the rows of wake-ups; return what Celery is told as the task's result.

    Raises:
        celery.exceptions.TaskPredicate: how the run ended, told in Celery's words.
        DecodeError: one of the texts is no wake-up.
        Exception: the receiver's own, when the message is given up.
    """
    request = task.request
    try:
        wake_ups = [WakeUp.from_wire(str(payload)) for payload in payloads]
    except DecodeError as error:
        afterwards(request, partial(settle_malformed, task.name, error))
        raise
    delivery = Delivery(task.name, request, len(wake_ups))
    try:
        if len(wake_ups) == 1:
            outcome = rows().run(delivery, wake_ups[0])
        else:
            progress = Progress.at((request.properties or {}).get(SLOT))
            outcome = rows().run_chunk(delivery, wake_ups, progress)
    except SoftTimeLimitExceeded as error:  # outside the receiver: in the wait for the database
        outcome = GivenBack(error)
    if outcome is None or isinstance(outcome, Lost):
        return "not here"
    return told_to_celery(outcome)
