"""Paired runs: machines are noisy, so two candidates run in turns and their ratios are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

__all__ = ["Measure", "Pair", "Quartiles", "in_turns", "timed"]

#: Does its work once, and gives the microseconds that one call of it took.
Measure = Callable[[], float]


class Quartiles(NamedTuple):
    """What lies in the middle of many values, and how far they spread."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of at least one value."""
        if len(values) == 1:
            return cls(*values, *values, *values)
        return cls(*statistics.quantiles(values, method="inclusive"))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """How two candidates compare.

    Attributes:
        ours: microseconds a call, median.
        theirs: the same of the other.
        speed: how many times as fast as theirs ours is, over all pairs.
    """

    ours: float
    theirs: float
    speed: Quartiles


def in_turns(ours: Measure, theirs: Measure, *, rounds: int, warm_up: bool = True) -> Pair:
    """Measure both in turns, changing who goes first.

    Arguments:
        ours: measures us.
        theirs: measures the other.
        rounds: how often each is measured.
        warm_up: measure both once more at first, which does not count.
    """
    if warm_up:
        ours()
        theirs()
    pairs = []
    for turn in range(rounds):
        if turn % 2:
            first = theirs()
            pairs.append((ours(), first))
        else:
            pairs.append((ours(), theirs()))
    return Pair(
        ours=statistics.median(mine for mine, _ in pairs),
        theirs=statistics.median(other for _, other in pairs),
        speed=Quartiles.of([other / mine for mine, other in pairs]),
    )


def timed(function: Callable[[], object], *, calls: int) -> Measure:
    """Measure a call of a function, as the mean of so many calls in a row."""

    def measure() -> float:
        begin = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - begin) / calls * 1e6

    return measure
