"""What people do to messages from the admin: replay, discard and cancel, and what they are told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.messages import constants

from deferred_signals.outbox.operations.actions import StillRuns, cancel, discard, replay
from deferred_signals.outbox.operations.selection import Selection
from deferred_signals.outbox.operations.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["ACTS", "Act", "Told"]

#: Messages that run, and are told of one by one.
MOST_TOLD = 5


class Told(NamedTuple):
    """What people are told: the level of Django's messages, and the text."""

    level: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something that people may do to messages.

    Attributes:
        name: the verb, as in the address.
        permission: the codename of the permission that it takes.
        for_dead: whether it is for dead letters; else it is for all other messages.
        warning: what to know before it is done; empty: nobody is asked whether they are sure.
        do: does it to the messages of some ids.
    """

    name: str
    permission: str
    for_dead: bool
    warning: str
    do: Callable[[Sequence[str], Any, bool], Iterator[Told]]

    @property
    def title(self) -> str:
        """Return the verb, as a button has it."""
        return self.name.capitalize()


def _replay(ids: Sequence[str], user: Any, _force: bool) -> Iterator[Told]:  # noqa: FBT001 - see `Act`
    done = replay(Selection(ids=ids), user=user)
    if done:
        were = "was" if done == 1 else "were"
        yield Told(
            constants.SUCCESS,
            f"{counted(done, 'message')} {were} replayed. A relay finds what is due within seconds.",
        )
    yield from _left(len(ids) - done, "replayed", "no dead letter, or not any more")


def _discard(ids: Sequence[str], user: Any, _force: bool) -> Iterator[Told]:  # noqa: FBT001 - see `Act`
    done = discard(Selection(ids=ids), user=user)
    if done:
        were = "was" if done == 1 else "were"
        yield Told(constants.SUCCESS, f"{counted(done, 'dead letter')} {were} discarded.")
    yield from _left(len(ids) - done, "discarded", "no dead letter, or not any more")


def _cancel(ids: Sequence[str], user: Any, force: bool) -> Iterator[Told]:  # noqa: FBT001 - see `Act`
    done, runs = 0, []
    for id_ in ids:
        try:
            done += cancel(id_, force=force, spare_dead=True, user=user)
        except StillRuns as error:
            runs.append(str(error))
    if done:
        were = "was" if done == 1 else "were"
        yield Told(constants.SUCCESS, f"{counted(done, 'message')} {were} cancelled.")
    yield from (Told(constants.WARNING, text) for text in runs[:MOST_TOLD])
    yield from _left(len(runs[MOST_TOLD:]), "cancelled", "run by a worker now")
    left = len(ids) - done - len(runs)
    yield from _left(left, "cancelled", "through, or dead: dead letters are discarded")


def _left(number: int, done: str, reason: str) -> Iterator[Told]:
    if number:
        were, they_are = ("was", "it is") if number == 1 else ("were", "they are")
        yield Told(
            constants.WARNING,
            f"{counted(number, 'message')} {were} not {done}: {they_are} {reason}.",
        )


ACTS = {
    act.name: act
    for act in (
        Act(
            name="replay",
            permission="replay_outboxmessage",
            for_dead=True,
            warning="",
            do=_replay,
        ),
        Act(
            name="discard",
            permission="discard_outboxmessage",
            for_dead=True,
            warning="Dead letters that are discarded are removed for good. They cannot be replayed.",
            do=_discard,
        ),
        Act(
            name="cancel",
            permission="cancel_outboxmessage",
            for_dead=False,
            warning="Messages that are cancelled are removed for good, and do not run.",
            do=_cancel,
        ),
    )
}
