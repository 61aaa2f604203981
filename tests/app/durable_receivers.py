"""Durable receivers that succeed, fail, or kill their process, as their messages tell them to.

Each has a twin that is ``atomic``. Each run leaves a row in the table of runs, which the rollback of an
atomic run takes back.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.dispatch import Signal

from deferred_signals import Discard, Retry, RetryLater, current_message, events, receiver

from . import fault_receivers
from .fault_receivers import attempt
from .models import Line, Run

POLICY = Retry(
    max_attempts=int(os.environ.get("TESTS_MAX_ATTEMPTS") or 3),
    wait_initial=0.2,
    wait_exp_base=1,
    wait_jitter=0,
)

#: Sends to the receiver, to its atomic twin, and to one whose calls travel in chunks.
plain, atomic, chunked = Signal(), Signal(), Signal()
#: Sends to receivers with limits of time, and with times.
limited, timed = Signal(), Signal()
SIGNALS = {
    "plain": plain,
    "atomic": atomic,
    "chunked": chunked,
    "limited": limited,
    "timed": timed,
}

#: Send to receivers whose messages have another priority, or another queue.
aside, elsewhere = Signal(), Signal()
SIGNALS |= {"aside": aside, "elsewhere": elsewhere}

#: Sends to a receiver whose runs of one key follow one another.
in_turn = Signal()


def connect() -> None:
    """Leave a row for what became of each message: in the test's worker."""
    fault_receivers.connect()
    events.receiver_succeeded.connect(note_success)


def leave(**payload: Any) -> None:
    """Leave a row for the run of this message."""
    message = current_message()
    assert message is not None
    name = message.receiver.rpartition(".")[2]
    Run.log(name, message.id, message.attempt, **payload)


def note_success(message: Any, **kwargs: Any) -> None:
    """Leave a row for a run that succeeded."""
    Run.log("succeeded", message.id, message.attempt)


@receiver(plain, deferred=True, durable=True, retry=POLICY, name="tests.durable.plain", weak=False)
def acts(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Leave a row, and do what the message says, at the first attempts."""
    if attempt() > times:
        leave()
        return
    leave(does=does)
    ACTS[does](**kwargs)


@receiver(
    atomic,
    deferred=True,
    durable=True,
    atomic=True,
    retry=POLICY,
    name="tests.durable.atomic",
    weak=False,
)
def acts_in_transaction(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Do the same, in one transaction with the end of the message's row."""
    acts(sender, does, times, **kwargs)


@receiver(
    chunked,
    deferred=True,
    durable=True,
    chunk_size=10,
    retry=POLICY,
    name="tests.durable.chunked",
    weak=False,
)
def acts_in_a_chunk(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Do the same, in one message with others."""
    acts(sender, does, times, **kwargs)


@receiver(
    aside,
    deferred=True,
    durable=True,
    priority=5,
    retry=POLICY,
    name="tests.durable.aside",
    weak=False,
)
def acts_by_priority(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Do the same, by a message of another priority."""
    acts(sender, does, times, **kwargs)


@receiver(
    elsewhere,
    deferred=True,
    durable=True,
    queue="elsewhere",
    retry=POLICY,
    name="tests.durable.elsewhere",
    weak=False,
)
def acts_elsewhere(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Do the same, by a message in another queue."""
    acts(sender, does, times, **kwargs)


@receiver(
    in_turn,
    deferred=True,
    durable=True,
    ordered_by=lambda sender, key, **kwargs: key,
    retry=Retry(max_attempts=None, timeout=3600, wait_initial=0.1, wait_exp_base=1, wait_jitter=0),
    name="tests.durable.in_turn",
    weak=False,
)
def takes_its_turn(
    sender: object, key: str, number: int, fails: int, later: float = 0, **kwargs: Any
) -> None:
    """Leave a row when a run begins and when it ends; fail at the first attempts, or wait after one."""
    does = "fail" if attempt() <= fails else "later" if later and attempt() == 1 else None
    leave(key=key, number=number, what="begins")
    time.sleep(0.01)
    leave(key=key, number=number, what="ends", does=does)
    if does:
        ACTS[does](after=later)


@receiver(
    limited,
    deferred=True,
    durable=True,
    soft_time_limit=2,
    time_limit=4,
    retry=POLICY,
    name="tests.durable.limited",
    weak=False,
)
def acts_within_limits(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Do the same, or be ended."""
    acts(sender, does, times, **kwargs)


@receiver(
    timed,
    deferred=True,
    durable=True,
    countdown=lambda sender, seconds, **kwargs: seconds,
    expires=lambda sender, within=None, **kwargs: within,
    name="tests.durable.timed",
    weak=False,
)
def acts_in_time(sender: object, **kwargs: Any) -> None:
    """Run once, and neither too early nor too late."""
    leave()


def fail(**kwargs: Any) -> None:
    """Fail."""
    raise ConnectionError


def fail_until_told(**kwargs: Any) -> None:
    """Fail until the test leaves a row."""
    if not Run.objects.filter(receiver="mended").exists():
        raise ConnectionError


def discard(**kwargs: Any) -> None:
    """Drop the message."""
    raise Discard("it is not wanted")


def ask_for_later(after: float, **kwargs: Any) -> None:
    """Choose the wait."""
    raise RetryLater(after=after)


def kill(**kwargs: Any) -> None:
    """Be killed, as by the kernel when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_worker(**kwargs: Any) -> None:
    """Kill the worker with all its children, whatever it is doing beside this run."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def sleep(seconds: float, **kwargs: Any) -> None:
    """Run for a while."""
    time.sleep(seconds)


def break_commit(**kwargs: Any) -> None:
    """Write what a database refuses at the COMMIT, unless its foreign keys are checked at once."""
    Line.objects.create(order_id=2**40)


def hang(seconds: float, **kwargs: Any) -> None:
    """Run for a while, whatever it is told."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(SoftTimeLimitExceeded):
            time.sleep(seconds)


ACTS: dict[str, Callable[..., None]] = {
    "break_commit": break_commit,
    "discard": discard,
    "fail": fail,
    "fail_until_told": fail_until_told,
    "hang": hang,
    "kill": kill,
    "kill_worker": kill_worker,
    "later": ask_for_later,
    "sleep": sleep,
}
