"""Durable receivers that succeed, fail, or kill their process, as their messages tell them to.

Each has a twin that is ``atomic``. Each run leaves a row in the table of runs, which the rollback of an
atomic run takes back.
"""

import os
import signal
import time
from typing import Any

from django.dispatch import Signal

from deferred_signals import Discard, Retry, RetryLater, receiver

from . import fault_receivers
from .fault_receivers import attempt, leave, wait_for_prefetch

POLICY = Retry(max_attempts=3, wait_initial=0.2, wait_exp_base=1, wait_jitter=0)

#: Sends to the receiver, to its atomic twin, and to one whose calls travel in chunks.
plain, atomic, chunked = Signal(), Signal(), Signal()
SIGNALS = {"plain": plain, "atomic": atomic, "chunked": chunked}

#: Sends to a receiver whose messages have another priority.
aside = Signal()
SIGNALS["aside"] = aside

#: Sends to a receiver whose runs of one key follow one another.
in_turn = Signal()


def connect() -> None:
    """Leave a row for each message that is given up or dropped: in the test's worker."""
    fault_receivers.connect()


@receiver(plain, deferred=True, durable=True, retry=POLICY, name="tests.plain", weak=False)
def acts(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Leave a row, and do what the message says, at the first attempts."""
    leave()
    if attempt() <= times:
        ACTS[does](**kwargs)


@receiver(
    atomic, deferred=True, durable=True, atomic=True, retry=POLICY, name="tests.atomic", weak=False
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
    name="tests.chunked",
    weak=False,
)
def acts_in_a_chunk(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Do the same, in one message with others."""
    acts(sender, does, times, **kwargs)


@receiver(
    aside, deferred=True, durable=True, priority=5, retry=POLICY, name="tests.aside", weak=False
)
def acts_by_priority(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Do the same, by a message of another priority."""
    acts(sender, does, times, **kwargs)


@receiver(
    in_turn,
    deferred=True,
    durable=True,
    ordered_by=lambda sender, key, **kwargs: key,
    retry=Retry(max_attempts=None, timeout=60, wait_initial=0.1, wait_exp_base=1, wait_jitter=0),
    name="tests.in_turn",
    weak=False,
)
def takes_its_turn(sender: object, key: str, number: int, fails: int, **kwargs: Any) -> None:
    """Leave a row when a run begins and when it ends; fail at the first attempts."""
    leave(key=key, number=number, what="begins")
    time.sleep(0.01)
    leave(key=key, number=number, what="ends")
    if attempt() <= fails:
        raise ConnectionError


def fail(**kwargs: Any) -> None:
    """Fail."""
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
    """Kill the worker with all its children."""
    wait_for_prefetch()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def sleep(seconds: float, **kwargs: Any) -> None:
    """Run for a while."""
    time.sleep(seconds)


ACTS = {
    "discard": discard,
    "fail": fail,
    "kill": kill,
    "kill_worker": kill_worker,
    "later": ask_for_later,
    "sleep": sleep,
}
