"""The task that every worker knows: it holds the messages of receivers that this one does not.

A look that finds the receiver runs the message in place. Sent to the receiver's own task, it could
reach a worker that still does not know it, and go round for as long as both kinds share a queue.
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
from deferred_signals.running import executor
from deferred_signals.support.escaping import shown
from deferred_signals.support.frames import forget_values
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
    """Run a parked message, if what it speaks of is known by now; else park it again."""
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
        afterwards(self.request, partial(executor.settle_malformed, PARKED, error))
        raise
    return run_message(PARKED, self.request, payload, stay)


class WithoutBodies(logging.Filter):
    """Takes the bodies of our messages out of what Celery logs of a task that it does not know."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without values."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                "(a message of deferred_signals)" if _is_ours(item) else item
                for item in record.args
            )
        return True


def _is_ours(item: object) -> bool:
    """Whether a log's argument is the dump of a body of ours, which quotes it once or twice."""
    return isinstance(item, str) and '"v":1,"id":' in item.replace("\\", "")


logging.getLogger("celery.worker.consumer.consumer").addFilter(WithoutBodies())

_make: Any = shared_task  # its stubs know one shape of arguments at a time
_make(name=PARKED, acks_late=True, ignore_result=True, **FIXED)(look_again)


@task_unknown.connect(weak=False, dispatch_uid="deferred_signals.parked")
def park_unknown(message: Any = None, name: str = "", **_kwargs: Any) -> None:
    """Celery has just dropped a message whose task it does not know: if it is ours, keep it."""
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
        logger.info("Message %s for receiver %s has expired", shown(message.id), message.describe())
        return
    reason = executor.unknown(message) or UnknownReceiver(
        f"Celery has no task '{shown(message.receiver)}' in this process."
    )
    try:
        patiently(lambda: park(message, payload, request, reason, calls=calls))
    except CannotPublish:
        logger.exception(
            "Message %s for unknown receiver %s is lost", shown(message.id), message.describe()
        )
