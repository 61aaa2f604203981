"""The task that every worker knows: it keeps the messages of receivers that a worker does not know.

A look that finds the receiver runs the message in place. If the message were sent to the receiver's
own task, it could reach a worker that still does not know the task, and go round for as long as both
kinds of worker share a queue.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.signals import task_unknown

from deferred_signals.errors import DecodeError, UnknownReceiver
from deferred_signals.message.wire import unpack
from deferred_signals.publishing.posting import CannotPublish, patiently
from deferred_signals.publishing.waits import moment_of
from deferred_signals.running.attempt import prepare
from deferred_signals.running.outcomes import Unknown
from deferred_signals.running.settling import settle_malformed
from deferred_signals.support.escaping import shown
from deferred_signals.support.frames import forget_values
from deferred_signals.support.records import about
from deferred_signals.worker.afterwards import afterwards
from deferred_signals.worker.calls import run_message
from deferred_signals.worker.carried import request_of
from deferred_signals.worker.fixed import FIXED
from deferred_signals.worker.parking import PARKED, opened, park
from deferred_signals.worker.pieces import wait_until_due

if TYPE_CHECKING:
    from celery import Task
    from celery.app.task import Context

    from deferred_signals.message import Message

__all__: list[str] = []

logger = logging.getLogger("deferred_signals")


def look_again(self: Task[Any, Any], *args: Any) -> str | None:
    """Run a parked message if this worker knows all that it refers to; else park it again."""
    try:
        return _look_again(self, args)
    except Exception as error:
        del args
        forget_values(error)
        raise


def _look_again(self: Task[Any, Any], args: tuple[Any, ...]) -> str | None:
    wait_until_due(PARKED, self.request, args)
    try:
        payload, stay = opened(args)
    except DecodeError as error:
        afterwards(self.request, partial(settle_malformed, PARKED, error))
        raise
    return run_message(PARKED, self.request, payload, stay)


class WithoutBodies(logging.Filter):
    """Remove the bodies of our messages from what Celery logs of a task that it does not know."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without values."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                "(a message of deferred_signals)" if _is_ours(item) else item
                for item in record.args
            )
        return True


def _is_ours(item: object) -> bool:
    """Return whether a log's argument dumps a body of ours, which the dump quotes once or twice."""
    return isinstance(item, str) and '"v":1,"id":' in item.replace("\\", "")


# The logger's name is that of Celery's module: the only place at which its texts can be changed.
logging.getLogger("celery.worker.consumer.consumer").addFilter(WithoutBodies())

_make: Any = shared_task  # its stubs know one shape of arguments at a time
_make(name=PARKED, acks_late=True, ignore_result=True, **FIXED)(look_again)


@task_unknown.connect(weak=False, dispatch_uid="deferred_signals.parked")
def park_unknown(message: Any = None, name: str = "", **_kwargs: Any) -> None:
    """Park a message of ours that Celery has just dropped, since it does not know the task."""
    try:
        payloads, request = request_of(message)
    except (LookupError, TypeError, ValueError):
        return
    for payload in payloads:
        try:
            ours = unpack(payload)
        except DecodeError:
            continue
        if ours.receiver == name:
            _park(ours, payload, request, len(payloads))


def _park(message: Message, payload: str, request: Context, calls: int) -> None:
    expires = moment_of(request.expires)
    if expires is not None and expires < time.time():
        logger.info(
            "Message %s for receiver %s has expired",
            shown(message.id),
            message.describe(),
            extra=about("expired", receiver=message.receiver, message_id=message.id),
        )
        return
    prepared = prepare(message)
    if isinstance(prepared, Unknown):
        reason = prepared.exception
    else:
        reason = UnknownReceiver(f"Celery has no task '{shown(message.receiver)}' in this process.")
    try:
        patiently(lambda: park(message, payload, request, reason, calls=calls))
    except CannotPublish:
        logger.exception(
            "Message %s for unknown receiver %s is lost: the broker does not take it back",
            shown(message.id),
            message.describe(),
            extra=about("lost", receiver=message.receiver, message_id=message.id),
        )
