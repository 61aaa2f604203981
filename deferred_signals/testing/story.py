"""Runs what was collected: all attempts of all messages, by a simulated clock."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any

from deferred_signals.message.wire import pack, unpack
from deferred_signals.receivers import registry
from deferred_signals.receivers.options import policy_of
from deferred_signals.running.attempt import prepare
from deferred_signals.running.deciding import charge
from deferred_signals.running.eager import run_attempt
from deferred_signals.running.outcomes import Failed, Retrying
from deferred_signals.running.settling import settle
from deferred_signals.sending.destinations import Destination, using_destination
from deferred_signals.support.amounts import as_seconds
from deferred_signals.testing.crashes import FakeCrash, crash_of_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deferred_signals.message import Message
    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.running.outcomes import Outcome

__all__ = ["Delivery", "Ran", "check_waits", "raise_first", "run_story"]


@dataclass
class Ran:
    """What became of one message.

    Attributes:
        id: the message's id.
        receiver: the receiver's name.
        attempts: how often it ran.
        waits: the seconds between attempts.
        outcome: how the last attempt ended: ``"succeeded"``, ``"discarded"`` or ``"failed"``; or
            ``"expired"`` if the message came too late to run.
        exception: the exception with which it failed.
        reason: why it was discarded or given up.
        kwargs: the kwargs of the call, as in `deferred_signals.testing.Call`.
    """

    id: str
    receiver: str
    attempts: int = 0
    waits: list[float] = field(default_factory=list)
    outcome: str = ""
    exception: BaseException | None = None
    reason: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """A message that is to be run. A message that is delivered twice is two of them.

    Attributes:
        outgoing: the message, and how it is published.
        kwargs: the decoded kwargs.
        late: by how many seconds the message is late.
    """

    outgoing: Outgoing
    kwargs: dict[str, Any]
    late: float = 0.0


def run_story(
    take: Callable[[Sequence[Outgoing]], None], pop: Callable[[], list[Delivery]]
) -> list[Ran]:
    """Run everything that is collected, and all that these runs defer, in order of due times.

    Arguments:
        take: collects what is deferred meanwhile.
        pop: takes out what is collected.
    """
    story: list[Ran] = []
    order = count()
    due: list[tuple[float, int, Message, Ran]] = []
    clock = 0.0

    def schedule(message: Message, ran: Ran, wait: float) -> None:
        heapq.heappush(due, (clock + wait, next(order), _aged(message, wait), ran))

    def schedule_all() -> None:
        for delivery in pop():
            message = unpack(delivery.outgoing.payload)
            ran = Ran(message.id, message.receiver, kwargs=delivery.kwargs)
            story.append(ran)
            options = delivery.outgoing.options
            wait = delivery.late + options.get("countdown", 0.0)
            if _patience(options.get("expires")) < wait:
                ran.outcome = "expired"
            else:
                schedule(message, ran, wait)

    with using_destination(Destination(take, local=True, raises=True)):
        schedule_all()
        while due:
            clock, _, message, ran = heapq.heappop(due)
            outcome = run_attempt(message)
            ran.attempts += 1
            crash = crash_of_workers(ran)
            if crash == "settle":
                schedule(message.redelivered(), ran, 0.0)
            else:
                if crash == "run":
                    outcome = charge(prepare(message), FakeCrash("The worker's process died."))
                _note(ran, message, outcome)
                if isinstance(outcome, Retrying):
                    ran.waits.append(outcome.wait)
                    schedule(message.next_attempt(), ran, outcome.wait)
            schedule_all()
    return story


def check_waits(story: list[Ran], expected: Sequence[float | timedelta]) -> None:
    """Assert that the waits of all messages are the expected ones, apart from jitter.

    Raises:
        AssertionError: they are others.
    """
    found = [(wait, _jitter(ran.receiver)) for ran in story for wait in ran.waits]
    fits = len(found) == len(expected) and all(
        _fits(wait, jitter, item) for (wait, jitter), item in zip(found, expected, strict=True)
    )
    if not fits:
        waits = [wait for wait, _ in found]
        raise AssertionError(f"The waits were {waits}, not {list(expected)}.")


def raise_first(story: list[Ran]) -> None:
    """Raise the first failure, with a note that names the receiver and counts the failures.

    Raises:
        BaseException: the exception of the receiver's last attempt.
    """
    failed = [(ran, ran.exception) for ran in story if ran.outcome == "failed"]
    for ran, error in failed:
        if error is None or isinstance(error, FakeCrash):
            continue
        attempts = "1 attempt" if ran.attempts == 1 else f"{ran.attempts} attempts"
        error.add_note(
            f"Raised by the deferred receiver {ran.receiver!r}, after {attempts}; of {len(story)} "
            f"messages {len(failed)} failed. run_deferred(raises=False) returns what became of each."
        )
        raise error


def _note(ran: Ran, message: Message, outcome: Outcome) -> None:
    settle(message, outcome)
    kind = Failed if isinstance(outcome, Failed) else type(outcome)
    ran.outcome = kind.__name__.lower()
    ran.exception = getattr(outcome, "exception", None)
    ran.reason = getattr(outcome, "reason", "")


def _aged(message: Message, wait: float) -> Message:
    """Return the message as after a wait: its send lies that much further back."""
    return unpack(pack(replace(message, sent_at=message.sent_at - timedelta(seconds=wait))))


def _patience(expires: float | timedelta | datetime | None) -> float:
    """Return the seconds for which a message may wait."""
    if expires is None:
        return inf
    if isinstance(expires, datetime):
        expires = expires - datetime.now(expires.tzinfo)
    return as_seconds(expires) or 0.0


def _jitter(receiver: str) -> float:
    found = registry.find(receiver)
    return 0.0 if found is None else as_seconds(policy_of(found.options).wait_jitter) or 0.0


def _fits(wait: float, jitter: float, expected: object) -> bool:
    least = as_seconds(expected)
    return wait == expected or (least is not None and least <= wait <= least + jitter)
