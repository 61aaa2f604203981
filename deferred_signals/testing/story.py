"""Runs what was collected: all attempts of all messages, by a simulated clock."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any

from django.db import transaction

from deferred_signals import conf
from deferred_signals.message.wire import pack, unpack
from deferred_signals.running.attempt import Attempt, prepare
from deferred_signals.running.deciding import charge, never_came_back
from deferred_signals.running.eager import check_transaction, run_attempt
from deferred_signals.running.outcomes import Discarded, Retrying
from deferred_signals.running.settling import settle
from deferred_signals.sending.destinations import Destination, using_destination
from deferred_signals.support.amounts import as_seconds
from deferred_signals.testing.crashes import FakeCrash, crash_of_workers
from deferred_signals.testing.ran import Ran
from deferred_signals.testing.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deferred_signals.message import Message
    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.running.outcomes import Outcome

__all__ = ["Delivery", "run_story"]


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
    story = _Story()
    with using_destination(Destination(take, local=True, raises=True)):
        story.add(pop())
        while story.run_next():
            story.add(pop())
    return [part.ran for part in story.parts]


@dataclass(eq=False)
class _Part:
    """One message in the story.

    Attributes:
        message: the message, for its next attempt.
        ran: what becomes of it.
        durable: its row is claimed for each run, and counts the run.
        order_key: messages with equal keys run one after another.
        since: up to when its waits are counted in its age.
        expires: when it is too late to run it.
        is_aside: it was due, and it was not its turn.
    """

    message: Message
    ran: Ran
    durable: bool
    order_key: str | None
    since: float
    expires: float
    is_aside: bool = False


class _Story:
    """Messages that run in the order in which they are due, by a clock of their own.

    Attributes:
        parts: the messages, in the order in which they were collected.
    """

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self._clock = 0.0
        self._due: list[tuple[float, int, _Part]] = []
        self._numbers = count()
        self._turns = Turns[_Part]()

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Take messages up."""
        for delivery in deliveries:
            outgoing = delivery.outgoing
            message = unpack(outgoing.payload)
            part = _Part(
                message,
                Ran(message.id, message.receiver, kwargs=delivery.kwargs),
                outgoing.durable,
                outgoing.order_key,
                self._clock,
                self._clock + _patience(outgoing.options.get("expires")),
            )
            self.parts.append(part)
            self._turns.join(part.order_key, part)
            self._schedule(part, delivery.late + outgoing.options.get("countdown", 0.0))

    def run_next(self) -> bool:
        """Run the message that is due next; return False if none is left."""
        if not self._due:
            return False
        self._clock, _, part = heapq.heappop(self._due)
        if not self._turns.is_turn_of(part.order_key, part):
            part.is_aside = True  # the one before wakes it up when it has ended
            return True
        part.message = _aged(part.message, self._clock - part.since)
        part.since = self._clock
        if self._clock > part.expires:
            self._expire(part)
        else:
            self._run(part)
        return True

    def _schedule(self, part: _Part, wait: float) -> None:
        heapq.heappush(self._due, (self._clock + wait, next(self._numbers), part))

    def _run(self, part: _Part) -> None:
        message = part.message
        crash = crash_of_workers(part.ran)
        part.ran.attempts += 1
        end = check_transaction if crash is None else _roll_back
        outcome = None if crash == "claim" else run_attempt(message, durable=part.durable, end=end)
        if crash == "settle":
            self._redeliver(part)
        elif outcome is None or crash == "run":
            died = FakeCrash("The worker's process died.")
            self._settle(part, charge(prepare(message), died))
        else:
            self._settle(part, outcome)

    def _settle(self, part: _Part, outcome: Outcome) -> None:
        settle(part.message, outcome)
        part.ran.note(outcome)
        if isinstance(outcome, Retrying):
            self._try_again(part, outcome.wait)
        else:
            self._end(part)

    def _try_again(self, part: _Part, wait: float) -> None:
        part.ran.waits.append(wait)
        part.message = part.message.next_attempt()
        self._schedule(part, wait)

    def _redeliver(self, part: _Part) -> None:
        """Run a message again whose whole worker died: a row has counted the run, a broker has not."""
        if not part.durable:
            part.message = part.message.redelivered()
            self._schedule(part, 0.0)
        elif _is_spent(part.message):
            failed = never_came_back(part.message.receiver, part.message.attempt)
            failed.exception.__cause__ = FakeCrash("The whole worker died.")
            self._settle(part, failed)
        else:
            self._try_again(part, conf.current().OUTBOX.LEASE)

    def _expire(self, part: _Part) -> None:
        if part.durable:  # Celery drops other messages, and tells nobody
            settle(part.message, Discarded("it has expired"))
        part.ran.outcome = "expired"
        self._end(part)

    def _end(self, part: _Part) -> None:
        behind = self._turns.end(part.order_key, part)
        if behind is not None and behind.is_aside:
            behind.is_aside = False
            self._schedule(behind, 0.0)


def _roll_back(using: str) -> None:
    """Undo what an ``atomic`` receiver wrote, as its process dies before the COMMIT."""
    transaction.set_rollback(True, using=using)


def _is_spent(message: Message) -> bool:
    attempt = prepare(message)
    most = attempt.policy.max_attempts if isinstance(attempt, Attempt) else None
    return most is not None and message.attempt >= most


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
