"""Let messages wait for savepoints, where the end of a block shows in SQL alone.

Such a block was open before a testing mode or eager mode began, so its ``__exit__`` is not wrapped,
see `deferred_signals.sending.endings`. An execute wrapper waits for the ``RELEASE SAVEPOINT``. A
``ROLLBACK TO SAVEPOINT`` drops what was sent inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.sending.coalesce import coalesced
from deferred_signals.support.savepoints import SavepointWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.outgoing import Outgoing

    Take = Callable[[Sequence[Outgoing]], None]

__all__ = ["defer_to_savepoint", "hand_over", "waiting_for_savepoints"]


def defer_to_savepoint(
    connection: BaseDatabaseWrapper, savepoints: list[str], outgoing: Outgoing, take: Take
) -> None:
    """Hand a message over when the first of the open savepoints is released.

    Arguments:
        connection: on which they are.
        savepoints: those that are open, the outermost first.
        outgoing: the message; it is dropped when any of the savepoints is rolled back.
        take: takes the messages that survived.
    """
    _Watch.on(connection, savepoints).gathered.append(_Entry(frozenset(savepoints), outgoing, take))


def waiting_for_savepoints(connection: BaseDatabaseWrapper) -> list[Outgoing]:
    """Return the messages that wait for a savepoint."""
    return [entry.outgoing for watch in _Watch.all(connection) for entry in watch.gathered]


def hand_over(messages: Iterable[tuple[Outgoing, Take]]) -> None:
    """Hand messages over, each to its own destination."""
    batches: dict[Take, list[Outgoing]] = {}
    for outgoing, take in messages:
        batches.setdefault(take, []).append(outgoing)
    for take, gathered in batches.items():
        take(coalesced(gathered))


class _Entry(NamedTuple):
    """A message that waits, with the savepoints that it was sent under."""

    savepoints: frozenset[str]
    outgoing: Outgoing
    take: Take


class _Watch(SavepointWatch):
    """Hands messages over when a savepoint is released, and drops those of a rollback."""

    def __init__(self, connection: BaseDatabaseWrapper, outermost: str) -> None:
        super().__init__(connection, outermost)
        self.gathered: list[_Entry] = []

    def rolled_back(self, savepoint: str) -> None:
        self.gathered = [entry for entry in self.gathered if savepoint not in entry.savepoints]

    def released(self) -> None:
        gathered, self.gathered = self.gathered, []
        hand_over((entry.outgoing, entry.take) for entry in gathered)
