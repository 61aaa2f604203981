"""The ends of blocks as the database is told of them: for blocks whose ``__exit__`` is not seen.

Such a block was open before a testing mode or eager mode began. An execute wrapper waits for its
``RELEASE SAVEPOINT``; a ``ROLLBACK TO SAVEPOINT`` drops what was sent inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.sending.coalesce import coalesced
from deferred_signals.support.savepoints import SavepointWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.outgoing import Outgoing

    Leave = Callable[[Sequence[Outgoing]], None]

__all__ = ["defer_to_savepoint", "let_leave", "waiting_for_savepoints"]


def defer_to_savepoint(
    connection: BaseDatabaseWrapper, savepoints: list[str], outgoing: Outgoing, leave: Leave
) -> None:
    """Let a message leave when the first of the open savepoints is released.

    Arguments:
        connection: on which they are.
        savepoints: those that are open, the outermost first.
        outgoing: the message; it is dropped when any of them is rolled back.
        leave: called with the messages that survived.
    """
    _Watch.on(connection, savepoints).gathered.append(
        _Entry(frozenset(savepoints), outgoing, leave)
    )


def waiting_for_savepoints(connection: BaseDatabaseWrapper) -> list[Outgoing]:
    """Return the messages that wait for a savepoint."""
    return [entry.outgoing for watch in _Watch.all(connection) for entry in watch.gathered]


def let_leave(messages: Iterable[tuple[Outgoing, Leave]]) -> None:
    """Let messages leave, each its own way."""
    ways: dict[Leave, list[Outgoing]] = {}
    for outgoing, leave in messages:
        ways.setdefault(leave, []).append(outgoing)
    for leave, gathered in ways.items():
        leave(coalesced(gathered))


class _Entry(NamedTuple):
    """A message that waits, with the savepoints that it was sent under."""

    savepoints: frozenset[str]
    outgoing: Outgoing
    leave: Leave


class _Watch(SavepointWatch):
    """Lets messages leave, or drops them."""

    def __init__(self, connection: BaseDatabaseWrapper, outermost: str) -> None:
        super().__init__(connection, outermost)
        self.gathered: list[_Entry] = []

    def rolled_back(self, savepoint: str) -> None:
        self.gathered = [entry for entry in self.gathered if savepoint not in entry.savepoints]

    def released(self) -> None:
        gathered, self.gathered = self.gathered, []
        let_leave((entry.outgoing, entry.leave) for entry in gathered)
