"""Receivers that succeed, fail, hang, or kill their process or their worker.

Each listens to a signal of its own, which has the receiver's name here: `leaves_a_row.send(None)`
defers the receiver `tests.leaves_a_row`. Each run leaves a row in the table of runs.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from math import inf
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from celery import current_app, current_task
from django.dispatch import Signal

from deferred_signals import Discard, Retry, RetryLater, current_message, events, receiver

from .models import Order, PaidOrder, Run

QUICK = Retry(max_attempts=2, wait_initial=0.1, wait_jitter=0)


def alone(**options: Any) -> Callable[[Callable[..., Any]], Signal]:
    """Defer a receiver of a signal of its own, and return the signal."""

    def decorate(function: Callable[..., Any]) -> Signal:
        of_its_own = Signal()
        name = f"tests.{function.__name__}"
        receiver(of_its_own, deferred=True, weak=False, name=name, **options)(function)
        return of_its_own

    return decorate


def attempt() -> int:
    """Return the attempt that runs."""
    message = current_message()
    assert message is not None
    return message.attempt


def leave(**payload: Any) -> None:
    """Leave a row for the run of this message."""
    message = current_message()
    assert message is not None
    Run.log(message.receiver.removeprefix("tests."), message.id, message.attempt, **payload)


def wait_for_prefetch() -> None:
    """Wait until the worker holds all messages that it may hold.

    Redis removes a message from its list some moments before kombu notes who has it: what a worker that
    is killed between the two was fetching is lost, whoever published it.
    """
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        with suppress(*connection.channel_errors):  # an empty queue of Redis is none
            while channel.queue_declare("celery", passive=True).message_count:
                time.sleep(0.05)
    time.sleep(0.3)


def connect() -> None:
    """Leave a row for each message that is given up or dropped: in the test's worker."""
    events.receiver_failed.connect(note_failed)
    events.receiver_discarded.connect(note_discarded)


def note_failed(sender: str, message: Any, exception: Exception, reason: str, **_: Any) -> None:
    """Leave a row for a message that was given up; one that is malformed has no id."""
    known = (message.id, message.attempt) if message else ()
    Run.log("failed", *known, of=sender, error=type(exception).__name__, reason=reason)


def note_discarded(sender: str, message: Any, reason: str, **_: Any) -> None:
    """Leave a row for a message that was dropped on purpose."""
    Run.log("discarded", message.id, message.attempt, of=sender, reason=reason)


@alone()
def leaves_a_row(sender: object, number: int, **kwargs: Any) -> None:
    """Run once, and know the worker's process."""
    leave(number=number, parent=os.getppid())


@alone(coalesce=True)
def is_coalesced(
    sender: object, instance: Order, number: int, changes: dict[str, Any], **kwargs: Any
) -> None:
    """Leave a row for all sends of a transaction that tell of one order."""
    leave(order=instance.pk, number=number, changes=changes)


@alone()
async def leaves_a_row_async(sender: object, number: int, **kwargs: Any) -> None:
    """Run once, in an event loop."""
    message = current_message()
    assert message is not None
    await Run.objects.acreate(
        receiver="leaves_a_row_async", message_id=message.id, payload={"number": number}
    )


VALUES: dict[str, Any] = {
    "nothing": None,
    "yes": True,
    "whole": 2**70,
    "broken": 0.1,
    "endless": -inf,
    "text": "Grüße \0 \N{SNOWMAN}",
    "raw": b"\x00\xff",
    "pair": (1, [2, (3,)]),
    "members": {1, "two", (3, 4)},
    "frozen": frozenset({Decimal("1.0")}),
    "by_key": {1: "int", (1, 2): "tuple", None: {"$set": [1]}},
    "moment": datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    "utc": datetime(2026, 1, 31, 8, 30, 0, 250_000, tzinfo=UTC),
    "day": date(2026, 2, 28),
    "hour": clock(23, 59, 59, 999_999),
    "span": timedelta(days=-1, microseconds=7),
    "price": Decimal("12.50"),
    "key": UUID(int=42),
    "model": Order,
}


def are_same(one: object, other: object) -> bool:
    """Tell whether two values are equal, and show no difference either: `Decimal("1.0")`, `1`."""
    if type(one) is not type(other) or one != other:
        return False
    return isinstance(one, (set, frozenset)) or repr(one) == repr(other)


@alone()
def compares(sender: object, order: Order, signal: Signal, **kwargs: Any) -> None:
    """Leave a row that names what arrived with another value than it was sent."""
    expected = {**VALUES, "order": order}
    found = {**kwargs, "order": order}
    others = [name for name in expected if not are_same(expected[name], found.get(name))]
    leave(
        others=others,
        unexpected=sorted(found.keys() - expected.keys()),
        sender_is_proxy=sender is PaidOrder,
        signal_is_the_signal=signal is compares,
        status=order.status,
    )


@alone(
    retry=Retry(max_attempts=3, wait_initial=0.3, wait_jitter=0),
    headers={"tenant": "blue"},
    priority=3,
    chunk_size=10,
)
def recovers(sender: object, **kwargs: Any) -> None:
    """Fail twice, then succeed. Leave a row that tells how the message came."""
    request = current_task.request
    info: Any = request.delivery_info
    leave(
        queue=info["routing_key"],
        priority=info["priority"],
        header=(request.headers or {}).get("tenant"),
        task_id=request.id,
    )
    if attempt() < 3:
        raise ConnectionError


@alone(retry=Retry(max_attempts=3, wait_initial=0.1, wait_exp_base=1, wait_jitter=0))
def never_succeeds(sender: object, **kwargs: Any) -> None:
    """Fail each time."""
    leave()
    raise ConnectionError


@alone(retry=Retry(max_attempts=3, wait_initial=60))
def asks_for_later(sender: object, after: float, **kwargs: Any) -> None:
    """Choose the wait itself."""
    leave()
    if attempt() == 1:
        raise RetryLater(after=after)


@alone()
def is_not_wanted(sender: object, **kwargs: Any) -> None:
    """Drop the message."""
    leave()
    raise Discard("the order was cancelled meanwhile")


@alone(retry=QUICK, chunk_size=10)
def is_killed(sender: object, times: int, **kwargs: Any) -> None:
    """Be killed at the first attempts, as by the kernel when memory runs out."""
    leave()
    if attempt() <= times:
        os.kill(os.getpid(), signal.SIGKILL)


@alone(retry=QUICK, time_limit=1, chunk_size=10)
def overruns(sender: object, times: int, **kwargs: Any) -> None:
    """Hang at the first attempts."""
    leave()
    if attempt() <= times:
        time.sleep(60)


@alone(retry=QUICK, chunk_size=10)
def exits(sender: object, times: int, **kwargs: Any) -> None:
    """Leave the process at the first attempts."""
    leave()
    if attempt() <= times:
        sys.exit(3)


@alone(chunk_size=10)
def waits_to_be_killed(sender: object, times: int = 1, **kwargs: Any) -> None:
    """Run until somebody kills the process, at the first attempts."""
    leave()
    message = current_message()
    assert message is not None
    if Run.objects.filter(message_id=message.id).count() <= times:
        time.sleep(60)


@alone()
def takes_its_worker_down(sender: object, **kwargs: Any) -> None:
    """Kill the worker with all its children, each time."""
    leave()
    wait_for_prefetch()
    os.killpg(os.getpgrp(), signal.SIGKILL)


@alone(retry=QUICK)
def fails_when_told(sender: object, **kwargs: Any) -> None:
    """Run until the test says so, and fail; then succeed."""
    leave()
    if attempt() == 1:
        while not Run.objects.filter(receiver="told").exists():
            time.sleep(0.05)
        raise ConnectionError


@alone()
def takes_its_time(sender: object, seconds: float, **kwargs: Any) -> None:
    """Run for a while."""
    leave()
    time.sleep(seconds)
    Run.log("took_its_time")
