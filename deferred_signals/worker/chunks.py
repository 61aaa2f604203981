"""A chunk: one message of Celery's that brings several of ours, as separate arguments of the task.

Each call is admitted, run, tried again and settled alone; its next attempt is a message of its own.
What becomes of the calls is told to the log and the lifecycle signals. To Celery the chunk is one
task, which succeeds when it is through, also where calls go on elsewhere: they do so under their own
ids, and nothing more would ever be heard of the chunk's.

What ends a chunk early leaves each call that is not through as a message of its own: the calls that
had not begun as they are, and the one that had begun one attempt later.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connections

from deferred_signals.errors import DecodeError
from deferred_signals.message.wire import unpack
from deferred_signals.publishing.posting import CannotPublish, Refused
from deferred_signals.running import executor
from deferred_signals.running.prefetch import Ahead
from deferred_signals.worker.afterwards import afterwards
from deferred_signals.worker.calls import attempt, give_back, refused
from deferred_signals.worker.delivery import Delivery, Elsewhere
from deferred_signals.worker.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Task
    from celery.app.task import Context
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message import Message

__all__ = ["SLOT", "go_on_alone", "run_chunk"]

#: Where among a request's properties the parent says which `Progress` it looks at.
SLOT = "deferred_signals.progress"


def run_chunk(task: Task[Any, Any], request: Context, payloads: Sequence[object]) -> None:
    """The body of every task, for a chunk.

    Arguments:
        task: of the receiver.
        request: Celery's, of the message that brought the payloads.
        payloads: the messages' texts.

    Raises:
        celery.exceptions.Reject: the broker takes no message.
        DecodeError: this is no chunk, since none of the payloads is a message.
        Exception: what ended the chunk between two calls, like a soft time limit.
    """
    delivery = Delivery(task.name, request, len(payloads))
    progress = Progress.at((request.properties or {}).get(SLOT))
    opened = [_opened(payload) for payload in payloads]
    if all(isinstance(item, DecodeError) for item in opened):
        error = DecodeError(f"{task.name} takes messages, got other arguments.", payloads)
        afterwards(request, partial(executor.settle_malformed, task.name, error))
        raise error
    try:
        ahead = Ahead([] if delivery.redelivered else _referring(payloads, opened))
        _run_all(delivery, opened, ahead, progress)
    except CannotPublish as trouble:
        give_back(trouble)
    except Exception as ended:
        try:
            settled = go_on_alone(delivery, payloads, progress, ended)
        except CannotPublish as trouble:
            give_back(trouble)
        for message, outcome in settled:
            afterwards(request, partial(executor.settle, message, outcome))
        raise


def go_on_alone(
    delivery: Delivery, payloads: Sequence[object], progress: Progress, error: BaseException
) -> list[tuple[Message, executor.Outcome]]:
    """Publish each call that is not through as a message of its own; what there is to settle.

    Arguments:
        delivery: what brought them.
        payloads: all of them.
        progress: how many have begun, and are charged an attempt, and how many are through.
        error: what ended the run.

    Raises:
        CannotPublish: the broker did not take one of them.
    """
    begun = progress.begun
    settled: list[tuple[Message, executor.Outcome]] = []
    for place, payload in enumerate(payloads[progress.through :], progress.through):
        try:
            message = unpack(payload)
        except DecodeError as malformed:
            if place >= begun:
                executor.settle_malformed(delivery.name, malformed)
            continue
        try:
            outcome = _goes_on(delivery, message, error if place < begun else None)
        except Refused as refusal:
            outcome = refused(refusal)
        if outcome is not None:
            settled.append((message, outcome))
    return settled


def _goes_on(
    delivery: Delivery, message: Message, error: BaseException | None
) -> executor.Outcome | None:
    """Publish what follows for one call. Return what there is to settle, if anything.

    Arguments:
        delivery: what brought it.
        message: the call's.
        error: what ended its run; None where it had not begun.
    """
    reason = executor.unknown(message)
    if reason is not None:
        kept = delivery.keep(message, reason)
        return None if isinstance(kept, Elsewhere) else kept
    if error is None:
        delivery.publish(message, None)
        return None
    outcome = executor.charge(message, error)
    if isinstance(outcome, executor.Retrying):
        delivery.publish(message.next_attempt(), outcome.wait)
    return outcome


def _run_all(
    delivery: Delivery,
    opened: Sequence[Message | DecodeError],
    ahead: Ahead,
    progress: Progress,
) -> None:
    """Run the calls one after another."""
    databases = connections.all()
    _mend(databases)
    for item in opened:
        if progress.ended:  # the parent sees to what is left, and will end this process
            break
        if isinstance(item, DecodeError):
            executor.settle_malformed(delivery.name, item)
        else:
            outcome = attempt(delivery, item, ahead.fetcher(item), progress.begin)
            if not isinstance(outcome, Elsewhere):
                executor.settle(item, outcome)
            _mend(databases)
        progress.end()


def _opened(payload: object) -> Message | DecodeError:
    try:
        return unpack(payload)
    except DecodeError as error:
        return error


def _referring(
    payloads: Sequence[object], opened: Sequence[Message | DecodeError]
) -> list[Message]:
    """The messages that may refer to rows: their texts are quicker to search than their values."""
    return [
        message
        for payload, message in zip(payloads, opened, strict=True)
        if not isinstance(message, DecodeError) and '"$ref"' in str(payload)
    ]


def _mend(databases: Sequence[BaseDatabaseWrapper]) -> None:
    """Between two calls as between two tasks: what one did to a connection harms no other."""
    for connection in databases:
        if connection.connection is None:
            continue
        if (
            connection.errors_occurred
            or connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
        ):
            connection.close_if_unusable_or_obsolete()
