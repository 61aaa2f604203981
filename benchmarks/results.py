"""What a benchmark found, ready to be printed and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.pairs import Pair, Quartiles

__all__ = ["BY_HAND", "SIGNAL_RECEIVERS", "TASK", "Cost", "Costs", "Ratios", "Result"]

#: What cases are held against.
BY_HAND = "on_commit(task.delay)"
TASK = "a hand-written task"
SIGNAL_RECEIVERS = "celery-signal-receivers"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One case of a benchmark.

    Attributes:
        case: what was done.
        against: what the other did it with.
        pair: how the two compare.
        target: the speed that is aimed at, where one is.
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
        note: how to read it: what the figures hold.
        results: the cases.
        charted: whether they belong into the picture.
    """

    title: str
    note: str
    results: tuple[Result, ...]
    charted: bool = True

    @property
    def heading(self) -> str:
        """The title, with the other where all cases are held against the same one."""
        return self.title if self._various else f"{self.title}, against {self.results[0].against}"

    def label(self, result: Result) -> str:
        """Name a case so that it differs from the others."""
        return f"{result.case}, against {result.against}" if self._various else result.case

    @property
    def _various(self) -> bool:
        return len({result.against for result in self.results}) > 1


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What something adds, where a ratio would tell nothing.

    Attributes:
        case: what adds it.
        spent: in the unit that the table names.
        at_most: what is aimed at, where anything is.
    """

    case: str
    spent: Quartiles
    at_most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The results of a benchmark that finds costs.

    Attributes:
        title: what was measured.
        note: how to read it: what the figures hold, and their unit.
        results: the cases.
    """

    title: str
    note: str
    results: tuple[Cost, ...]
