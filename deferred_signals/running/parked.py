"""The task that every worker knows: it holds the messages of receivers that this one does not.

A look that finds the receiver runs the message in place. Sent to the receiver's own task, it could
reach a worker that still does not know it, and go round for as long as both kinds share a queue.
"""

from __future__ import annotations

import logging
import time
from math import inf
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.exceptions import Ignore
from celery.signals import task_unknown

from deferred_signals import conf
from deferred_signals.errors import DecodeError
from deferred_signals.running import executor
from deferred_signals.running.calls import give_back, run_message
from deferred_signals.running.delivery import task_of
from deferred_signals.running.fixed import FIXED
from deferred_signals.running.parking import PARKED, Origin, park
from deferred_signals.running.posting import CannotPublish, patiently
from deferred_signals.wire import unpack

if TYPE_CHECKING:
    from celery import Task

__all__: list[str] = []

logger = logging.getLogger("deferred_signals")


def look_again(self: Task[Any, Any], *args: Any) -> None:
    """Look whether a parked message's receiver is known by now, and run it if so."""
    try:
        payload, since, times = _checked(args)
        message = unpack(payload)
    except DecodeError as error:
        executor.settle_malformed(PARKED, error)
        raise
    reason = executor.unknown(message)
    if reason is None:
        run_message(task_of(message.receiver), self.request, payload)
        return
    if time.time() - since < conf.current().UNKNOWN_GRACE:
        try:
            park(message, payload, Origin.of_request(self.request), since=since, times=times)
        except CannotPublish as error:
            give_back(error)
        raise Ignore
    executor.settle(message, executor.Failed(reason, "UNKNOWN_GRACE is over"))
    raise reason


def _checked(args: tuple[Any, ...]) -> tuple[str, float, int]:
    """The arguments as `park` gives them; like every message they are data from outside."""
    match args:
        case (str(payload), float(since), int(times)) if 0 < since < inf and times > 0:
            return payload, min(since, time.time()), times
    raise DecodeError(f"{PARKED} takes a payload, a time and a count.", args)


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
        payloads = list(message.payload[0])
    except (LookupError, TypeError):
        return
    for payload in payloads:
        try:
            ours = unpack(payload)
        except DecodeError:
            continue
        if ours.receiver != name:
            continue
        try:
            patiently(park, ours, payload, Origin.of_message(message, len(payloads)))
        except CannotPublish:
            logger.exception("Message %s for unknown receiver %s is lost", ours.id, name)
