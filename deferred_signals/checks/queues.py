"""Checks of the queues that receivers name: whether they are declared, and whether workers consume them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error, Info, Warning  # noqa: A004 - Django's own name

from deferred_signals import conf
from deferred_signals.checks.common import facts_or_none, listed, message, receivers, register
from deferred_signals.publishing.celery_facts import missing_queue

if TYPE_CHECKING:
    from deferred_signals.receivers.receiver import Receiver

__all__: list[str] = []


@register()
def check_queues() -> list[CheckMessage]:
    """Run E004 and W011: a receiver's queue is not among those that Celery's settings declare."""
    facts = facts_or_none()
    if facts is None or conf.problems():
        return []
    if not facts.creates_queues:
        return [found for receiver in receivers() for found in _check_route(receiver)]
    if not facts.queues:
        return []
    return [
        message(
            Warning,
            "W011",
            f"Messages of {listed(names)} go to the queue {queue!r}, which CELERY_TASK_QUEUES does "
            f"not declare: only a worker that is started with -Q {queue} consumes it.",
            f"Declare the queue in CELERY_TASK_QUEUES, or correct queue= (or "
            f"DEFERRED_SIGNALS['QUEUE']). Declared are {', '.join(sorted(facts.queues))}.",
        )
        for queue, names in _receivers_by_queue().items()
        if queue not in facts.queues
    ]


@register(deploy=True)
def check_workers() -> list[CheckMessage]:
    """Run I001: workers must be started with the queues, since Celery's settings declare none."""
    facts = facts_or_none()
    if facts is None or conf.problems() or facts.queues or not facts.creates_queues:
        return []
    queues = sorted(_receivers_by_queue().keys() - {facts.default_queue})
    if not queues:
        return []
    everything = ",".join([facts.default_queue, *queues])
    return [
        message(
            Info,
            "I001",
            f"Messages of deferred receivers go to other queues than Celery's default: "
            f"{', '.join(queues)}. A worker that is started without -Q consumes "
            f"{facts.default_queue!r} only.",
            f"Start workers with -Q {everything}, or each worker with some of these queues; or "
            f"declare the queues in CELERY_TASK_QUEUES.",
        )
    ]


def _check_route(receiver: Receiver) -> list[CheckMessage]:
    queue = _queue_of(receiver)
    if callable(receiver.options.queue):
        return []
    reason = missing_queue(receiver.name, queue)
    if reason is None:
        return []
    return [
        message(
            Error,
            "E004",
            f"Messages of {receiver.name} cannot be published: {reason}. "
            f"CELERY_TASK_CREATE_MISSING_QUEUES is off.",
            "Declare the queue in CELERY_TASK_QUEUES, or correct queue=, DEFERRED_SIGNALS['QUEUE'] "
            "or the route.",
        )
    ]


def _queue_of(receiver: Receiver) -> str | None:
    """Return the queue that a receiver or the settings name; None if Celery or a callable chooses it."""
    queue = receiver.options.queue
    return queue if isinstance(queue, str) else None if queue else conf.current().QUEUE


def _receivers_by_queue() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for receiver in receivers():
        queue = _queue_of(receiver)
        if queue is not None:
            found.setdefault(queue, []).append(receiver.name)
    return found
