"""Receivers of commit delivery for the soak, beside the durable ones, and runs that take a while.

This module is one of `TESTS_APP_MODULES`.
"""

import time
from typing import Any

from django.dispatch import Signal

from deferred_signals import receiver

from .durable_receivers import ACTS, POLICY, acts, leave

#: Keys of messages that run one after another; each is the name of a label, which senders lock.
KEYS = [f"key {place}" for place in range(5)]

#: Sends to a receiver, and to one whose calls travel in chunks.
committed, committed_chunk = Signal(), Signal()


def connect() -> None:
    """Do nothing: the receivers are connected where they are written."""


def work(seconds: float, **kwargs: Any) -> None:
    """Run for a while, and leave a second row at the end."""
    time.sleep(seconds)
    leave(what="over")


ACTS["work"] = work


@receiver(committed, deferred=True, retry=POLICY, name="tests.soak.committed", weak=False)
def acts_after_commit(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Leave a row, and do what the message says, at the first attempts."""
    acts(sender, does, times, **kwargs)


@receiver(
    committed_chunk,
    deferred=True,
    chunk_size=10,
    retry=POLICY,
    name="tests.soak.committed_chunk",
    weak=False,
)
def acts_after_commit_in_a_chunk(sender: object, does: str, times: int = 0, **kwargs: Any) -> None:
    """Do the same, in one message with others."""
    acts(sender, does, times, **kwargs)
