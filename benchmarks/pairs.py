"""Paired runs: machines are noisy, so two candidates run in turns, and their ratios count."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

__all__ = ["Measure", "Pair", "Quartiles", "in_turns", "timed"]

#: Runs a candidate once, and returns the microseconds of one call.
Measure = Callable[[], float]


class Quartiles(NamedTuple):
    """The median of many values, and their quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Compute the quartiles of at least one value."""
        if len(values) == 1:
            return cls(*values, *values, *values)
        return cls(*statistics.quantiles(values, method="inclusive"))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The comparison of two candidates.

    Attributes:
        ours: microseconds a call, median.
        theirs: the same of the other.
        speed: how many times as fast as theirs ours is, in the pairs.
    """

    ours: float
    theirs: float
    speed: Quartiles


def in_turns(ours: Measure, theirs: Measure, *, rounds: int, warm_up: bool = True) -> Pair:
    """Measure both in turns; each goes first in every other round.

    Arguments:
        ours: measures us.
        theirs: measures the other.
        rounds: how often each is measured.
        warm_up: measure both once before, without counting.
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
