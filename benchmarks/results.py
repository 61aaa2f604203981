"""Results of benchmarks, ready to be printed and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.pairs import Pair, Quartiles

__all__ = ["BY_HAND", "SIGNAL_RECEIVERS", "TASK", "Cost", "Costs", "Ratios", "Result"]

#: Names of other candidates.
BY_HAND = "on_commit(task.delay)"
TASK = "a hand-written task"
SIGNAL_RECEIVERS = "celery-signal-receivers"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One case of a benchmark.

    Attributes:
        case: what was done.
        against: the name of the other candidate.
        pair: how the two compare.
        target: the speed to reach; None: no target.
    """

    case: str
    against: str
    pair: Pair
    target: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """The results of one benchmark.

    Attributes:
        title: what was measured.
        note: how to read the figures.
        results: the cases.
        charted: whether the picture shows the results.
    """

    title: str
    note: str
    results: tuple[Result, ...]
    charted: bool = True

    @property
    def heading(self) -> str:
        """Return the title, with the other candidate if all cases have the same one."""
        return self.title if self._various else f"{self.title}, against {self.results[0].against}"

    def label(self, result: Result) -> str:
        """Name a case so that it differs from the others."""
        return f"{result.case}, against {result.against}" if self._various else result.case

    @property
    def _various(self) -> bool:
        return len({result.against for result in self.results}) > 1


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost that something adds, where a ratio would not help.

    Attributes:
        case: what adds the cost.
        spent: the cost, in the unit that the table names.
        at_most: the cost to stay below; None: no target.
    """

    case: str
    spent: Quartiles
    at_most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The results of a benchmark that finds costs.

    Attributes:
        title: what was measured.
        note: how to read the figures, and their unit.
        results: the cases.
    """

    title: str
    note: str
    results: tuple[Cost, ...]
