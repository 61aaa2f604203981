"""Writes results as Markdown, also for terminals."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.results import Costs, Ratios

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["markdown", "page"]

INTRODUCTION = """\
# Measured

Made by `make bench`. Both sides of a case ran in turns on one machine, and each time
is a median. Times differ from machine to machine: compare the ratios. "Times as fast" is
the median of the ratios of all pairs, between its quartiles; below 1 the other is faster. "Aim" is
what it was meant to be, where that was said beforehand.
"""


def page(machine: str, tables: Iterable[Ratios | Costs]) -> str:
    """Write all results, and the machine that they are of."""
    return "\n".join([INTRODUCTION, machine, "", *map(markdown, tables)])


def markdown(table: Ratios | Costs) -> str:
    """Write a heading, how to read the figures, and the figures."""
    heading, grid = (
        (table.heading, _ratios(table))
        if isinstance(table, Ratios)
        else (table.title, _costs(table))
    )
    text = StringIO()
    Console(file=text, width=200).print(grid)
    lines = [line.rstrip() for line in text.getvalue().strip().splitlines()]
    return "\n".join([f"## {heading}", "", table.note, "", *lines, ""])


def _ratios(table: Ratios) -> Grid:
    grid = _grid("ours", "theirs", "times as fast", "quartiles", "aim")
    for result in table.results:
        low, speed, high = result.pair.speed
        grid.add_row(
            table.label(result),
            f"{result.pair.ours:,.1f}",
            f"{result.pair.theirs:,.1f}",
            f"{speed:.2f}",
            f"{low:.2f} to {high:.2f}",
            _aim(result.target),
        )
    return grid


def _costs(costs: Costs) -> Grid:
    grid = _grid("costs", "quartiles", "at most")
    for cost in costs.results:
        low, median, high = cost.spent
        grid.add_row(cost.case, f"{median:,.1f}", f"{low:,.1f} to {high:,.1f}", _aim(cost.at_most))
    return grid


def _grid(*headings: str) -> Grid:
    grid = Grid(box=MARKDOWN)
    grid.add_column("")
    for heading in headings:
        grid.add_column(heading, justify="right")
    return grid


def _aim(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
