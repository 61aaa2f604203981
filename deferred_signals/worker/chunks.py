"""A chunk: one message of Celery's that brings several of ours, as separate arguments of the task.

Each call is claimed, run, retried and settled alone; its next attempt is a message of its own. The
log and the lifecycle signals are told what became of each call. To Celery the chunk is one task,
which succeeds when all its calls are through. It also succeeds where calls go on elsewhere: they go
on under their own ids, and Celery would never hear of the chunk's id again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connections

from deferred_signals.errors import DecodeError
from deferred_signals.message.wire import unpack
from deferred_signals.publishing.posting import CannotPublish
from deferred_signals.running.prefetch import Ahead
from deferred_signals.running.settling import settle, settle_malformed
from deferred_signals.worker.afterwards import afterwards
from deferred_signals.worker.calls import carry_out, give_back
from deferred_signals.worker.delivery import Delivery, Elsewhere, GivenBack
from deferred_signals.worker.keeping import bury
from deferred_signals.worker.progress import SLOT, Progress
from deferred_signals.worker.unfinished import republish_unfinished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Task
    from celery.app.task import Context
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message import Message

__all__ = ["mend", "run_chunk"]


def run_chunk(task: Task[Any, Any], request: Context, payloads: Sequence[object]) -> None:
    """Run a chunk, as the body of every task.

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
        error = DecodeError(
            f"{task.name} takes messages of deferred_signals, got other arguments. Send the signal "
            f"instead of calling the task.",
            payloads,
        )
        afterwards(request, partial(settle_malformed, task.name, error))
        raise error
    try:
        ahead = Ahead([] if delivery.redelivered else _referring(payloads, opened))
        given_back = _run_all(delivery, opened, ahead, progress)
    except Exception as ended:
        _go_on_alone(delivery, payloads, progress, ended)
        raise
    if given_back is not None:
        give_back(given_back.error)


def _run_all(
    delivery: Delivery,
    opened: Sequence[Message | DecodeError],
    ahead: Ahead,
    progress: Progress,
) -> GivenBack | None:
    """Run the calls one after another, until one of them has to go back to the broker."""
    databases = connections.all()
    mend(databases)
    for item in opened:
        if progress.ended:  # the parent republishes the rest, and is about to end this process
            break
        if isinstance(item, DecodeError):
            settle_malformed(delivery.name, item)
        else:
            outcome = carry_out(delivery, item, ahead.fetcher(item), progress.begin)
            if isinstance(outcome, GivenBack):
                return outcome
            if not isinstance(outcome, Elsewhere):
                bury(delivery, item, outcome)
                settle(item, outcome)
            mend(databases)
        progress.end()
    return None


def _go_on_alone(
    delivery: Delivery, payloads: Sequence[object], progress: Progress, error: Exception
) -> None:
    """Leave the unfinished calls to messages of their own, as the chunk's task fails."""
    try:
        pairs = republish_unfinished(delivery, payloads, progress, error)
    except CannotPublish as trouble:
        give_back(trouble)
    for message, outcome in pairs:
        bury(delivery, message, outcome)
        afterwards(delivery.request, partial(settle, message, outcome))


def _opened(payload: object) -> Message | DecodeError:
    try:
        return unpack(payload)
    except DecodeError as error:
        return error


def _referring(
    payloads: Sequence[object], opened: Sequence[Message | DecodeError]
) -> list[Message]:
    """Find the messages that may refer to rows: a text is quicker to search than decoded values."""
    return [
        message
        for payload, message in zip(payloads, opened, strict=True)
        if not isinstance(message, DecodeError) and '"$ref"' in str(payload)
    ]


def mend(databases: Sequence[BaseDatabaseWrapper]) -> None:
    """Close the connections that a call left unusable, so that the call harms no other.

    Between two tasks Celery has Django close them, and also those that have reached
    ``CONN_MAX_AGE``. Between two calls of a chunk the latter stay open.
    """
    for connection in databases:
        if connection.connection is None:
            continue
        if (
            connection.errors_occurred
            or connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
        ):
            connection.close_if_unusable_or_obsolete()
