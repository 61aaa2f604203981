"""Running what was collected: all attempts of all messages, by a clock that nobody waits for."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

from deferred_signals.running import executor
from deferred_signals.running.eager import attempt
from deferred_signals.sending.ways import Way, using_way
from deferred_signals.wire import pack, unpack

if TYPE_CHECKING:
    from typing import Protocol

    from deferred_signals.message import Message
    from deferred_signals.sending.outgoing import Outgoing

    class Collection(Protocol):
        """What collects, and gives it out."""

        def take(self, batch: list[Outgoing]) -> None:
            """Collect more."""

        def pop_all(self) -> list[Outgoing]:
            """Give out everything."""


__all__ = ["Ran", "run_story"]


@dataclass
class Ran:
    """What became of one message.

    Attributes:
        id: the message's id.
        receiver: the receiver's name.
        attempts: how often it ran.
        waits: the seconds between attempts.
        outcome: of the last attempt: ``"succeeded"``, ``"discarded"`` or ``"failed"``.
        exception: with which it failed.
    """

    id: str
    receiver: str
    attempts: int = 0
    waits: list[float] = field(default_factory=list)
    outcome: str = ""
    exception: BaseException | None = None


def run_story(collected: Collection) -> list[Ran]:
    """Run everything that is collected, and all that this defers, in the order of a clock."""
    story: dict[str, Ran] = {}
    order = count()
    due: list[tuple[float, int, Message]] = []
    clock = 0.0

    def schedule() -> None:
        for outgoing in collected.pop_all():
            message = unpack(outgoing.wire)
            story[message.id] = Ran(message.id, message.receiver)
            heapq.heappush(due, (clock, next(order), message))

    with using_way(Way(collected.take, local=True)):  # type: ignore[arg-type]  # any sequence
        schedule()
        while due:
            clock, _, message = heapq.heappop(due)
            ran = story[message.id]
            outcome = attempt(message)
            executor.settle(message, outcome)
            ran.attempts += 1
            ran.outcome = type(outcome).__name__.lower()
            ran.exception = getattr(outcome, "exception", None)
            if isinstance(outcome, executor.Retrying):
                ran.waits.append(outcome.wait)
                again = _later(message.next_attempt(), outcome.wait)
                heapq.heappush(due, (clock + outcome.wait, next(order), again))
            schedule()
    return list(story.values())


def _later(message: Message, wait: float) -> Message:
    """The message after a wait that nobody waited: sent that much earlier."""
    return unpack(pack(replace(message, sent_at=message.sent_at - timedelta(seconds=wait))))
