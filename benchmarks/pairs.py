"""Paired runs: machines are noisy, so two candidates run in turns and their ratios are compared."""

from __future__ import annotations

import platform
import statistics
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ratio", "compare", "machine"]


@dataclass(frozen=True)
class Ratio:
    """How long ours took, over how long theirs took: median and quartiles of all pairs.

    Attributes:
        ours: microseconds a call, median.
        theirs: the same of the other.
        low: lower quartile of the ratio.
        median: of the ratio; below 1, ours is faster.
        high: upper quartile of the ratio.
    """

    ours: float
    theirs: float
    low: float
    median: float
    high: float


def compare(
    ours: Callable[[], object], theirs: Callable[[], object], *, calls: int, rounds: int
) -> Ratio:
    """Run both in turns, ``rounds`` times ``calls`` calls each, changing who goes first."""
    pairs = []
    for turn in range(rounds):
        if turn % 2:
            first = _time(theirs, calls)
            pairs.append((_time(ours, calls), first))
        else:
            pairs.append((_time(ours, calls), _time(theirs, calls)))
    low, median, high = statistics.quantiles([mine / other for mine, other in pairs], n=4)
    return Ratio(
        statistics.median(mine for mine, _ in pairs),
        statistics.median(other for _, other in pairs),
        low,
        median,
        high,
    )


def machine() -> str:
    """The line that tells where and with what a measurement was made."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("django", "celery", "kombu"))
    return f"Python {platform.python_version()}, {packages}; {platform.machine()}"


def _time(function: Callable[[], object], calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - begin) / calls * 1e6
