"""Receivers of messages that wait: each leaves a row that tells how its message came."""

import os
from typing import Any

from celery import current_task

from deferred_signals import Discard, Retry, RetryLater

from . import fault_receivers
from .fault_receivers import alone, leave

CARRIED: dict[str, Any] = {
    "headers": {"_schema_name": "blue", "headers": {"traceparent": "00-1-2-01"}},
    "priority": 3,
    "queue": "aside",
    "compression": "gzip",
    "time_limit": 30,
    "soft_time_limit": 20,
}


def connect() -> None:
    """Leave a row for each message that is given up or dropped: in the test's worker."""
    fault_receivers.connect()


def how_it_came() -> dict[str, Any]:
    """Return what the task's message carried, where packages for tenants and tracers look for it."""
    request: Any = current_task.request
    return {
        "schema": request.get("_schema_name"),
        "inner": (request.headers or {}).get("traceparent"),
        "priority": request.delivery_info["priority"],
        "queue": request.delivery_info["routing_key"],
        "compression": request.get("compression"),
        "limits": request.timelimit,
        "retries": request.retries,
    }


@alone(retry=Retry(max_attempts=4), **CARRIED)
def never_is_ready(sender: object, after: float, **kwargs: Any) -> None:
    """Ask for another attempt each time."""
    leave(**how_it_came())
    raise RetryLater(after=after)


@alone(countdown=lambda sender, seconds, **kwargs: seconds, **CARRIED)
def runs_late(sender: object, seconds: float, **kwargs: Any) -> None:
    """Run once, and not too early."""
    leave(**how_it_came())


@alone(
    countdown=lambda sender, seconds, **kwargs: seconds,
    expires=lambda sender, within, **kwargs: within,
    chunk_size=10,
)
def runs_in_time(sender: object, seconds: float, within: float, **kwargs: Any) -> None:
    """Run once, or not at all."""
    leave(process=os.getpid())


@alone()
def drops_its_message(sender: object, **kwargs: Any) -> None:
    """Drop the message, for a reason that is nobody else's business."""
    leave()
    raise Discard("card 4111 1111 was stolen")


@alone(retry=Retry(max_attempts=2, wait_initial=2, wait_jitter=0))
def fails_once(sender: object, **kwargs: Any) -> None:
    """Fail, and then succeed."""
    leave()
    if fault_receivers.attempt() == 1:
        raise ConnectionError
