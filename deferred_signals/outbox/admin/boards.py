"""How the outbox of one database stands, at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deferred_signals.outbox.operations.status import status
from deferred_signals.outbox.operations.wording import age_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.outbox.admin.asked import Asked
    from deferred_signals.outbox.operations.status import Count

__all__ = ["Board", "Tile", "board_of"]

#: States in which a message waits for a known time.
AHEAD = frozenset({"waiting", "retrying"})


@dataclass(frozen=True)
class Tile:
    """The messages of one state.

    Attributes:
        state: the state's name.
        number: how many they are; ``1,000+`` are more than are counted.
        oldest: since when the first one is in the state, or when it is due; empty: there is none.
        query: the parameters of the list of them.
        is_shown: whether the list on the page is that one.
    """

    state: str
    number: str
    oldest: str
    query: str
    is_shown: bool


@dataclass(frozen=True)
class Board:
    """How the outbox of one database stands.

    Attributes:
        tiles: the states.
        paused: the receivers that are paused.
        relays_live: no message has been due for longer than two ``LEASE``.
        snapshot: how old the oldest open transaction of PostgreSQL is; empty: there is none.
    """

    tiles: Sequence[Tile]
    paused: Sequence[str]
    relays_live: bool
    snapshot: str


def board_of(asked: Asked) -> Board:
    """Tell how the outbox of the database stands that a list is asked for.

    Raises:
        django.db.Error: the database does not answer, or lacks the table.
    """
    (found,) = status(asked.using)
    return Board(
        [
            Tile(
                state,
                str(count),
                _oldest(state, count),
                # Whoever searches goes on to search in the other state.
                asked.query(state="" if state == asked.state else state),
                is_shown=state == asked.state,
            )
            for state, count in found.counts.items()
        ],
        found.paused,
        found.relays_live,
        "" if found.oldest_snapshot is None else age_in_words(found.oldest_snapshot),
    )


def _oldest(state: str, count: Count) -> str:
    if count.oldest is None:
        return ""
    if state in AHEAD:
        return f"next in {age_in_words(-count.oldest)}"
    return f"oldest {age_in_words(count.oldest)}"
