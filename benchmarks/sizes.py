"""The same work in transactions of several sizes, as the size decides what publishing costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.pairs import in_turns
from benchmarks.results import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.pairs import Measure

__all__ = ["Size", "by_size", "sizes"]


class Size(NamedTuple):
    """How many events one transaction sends, and how many pairs of runs are made."""

    events: int
    rounds: int

    def __str__(self) -> str:
        return "1 event" if self.events == 1 else f"{self.events} events"


def sizes(*, quick: bool) -> tuple[Size, ...]:
    """Return sizes from that of a web request to that of an import of rows."""
    if quick:
        return Size(1, 1), Size(5, 1)
    return Size(1, 400), Size(5, 150), Size(100, 30), Size(500, 15)


def by_size(
    ours: Callable[[int], Measure],
    theirs: Callable[[int], Measure],
    sizes: Sequence[Size],
    *,
    against: str,
    targets: Mapping[int, float] | None = None,
    case: str = "{}",
) -> tuple[Result, ...]:
    """Measure each size, and return a result for each.

    Arguments:
        ours: measures us; called with the number of events in a transaction.
        theirs: measures the other, in the same way.
        sizes: the sizes to measure.
        against: the name of the other.
        targets: the speeds to reach, by number of events.
        case: the name of a case, with ``{}`` for the size.
    """
    return tuple(
        Result(
            case=case.format(size),
            against=against,
            pair=in_turns(ours(size.events), theirs(size.events), rounds=size.rounds),
            target=(targets or {}).get(size.events),
        )
        for size in sizes
    )
