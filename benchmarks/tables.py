"""Results as Markdown, which reads well on a terminal too."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table as Grid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.results import Ratios

__all__ = ["markdown", "page"]

INTRODUCTION = """\
# Measured

Made by `make bench`. Both sides of a case ran in turns on one machine, and each time
is a median. Times differ from machine to machine: compare the ratios. "Times as fast" is
the median of the ratios of all pairs, between its quartiles; below 1 the other is faster. "Aim" is
what it was meant to be, where that was said beforehand.
"""


def page(machine: str, tables: Iterable[Ratios]) -> str:
    """All that was found, and on which machine."""
    return "\n".join([INTRODUCTION, machine, "", *map(markdown, tables)])


def markdown(table: Ratios) -> str:
    """A heading, how to read it, and the figures."""
    grid = Grid(box=MARKDOWN)
    grid.add_column("")
    for heading in ("ours", "theirs", "times as fast", "quartiles", "aim"):
        grid.add_column(heading, justify="right")
    for result in table.results:
        pair = result.pair
        grid.add_row(
            table.label(result),
            f"{pair.ours:,.1f}",
            f"{pair.theirs:,.1f}",
            f"{pair.speed.median:.2f}",
            f"{pair.speed.low:.2f} to {pair.speed.high:.2f}",
            "" if result.target is None else f"{result.target:g}",
        )
    text = StringIO()
    Console(file=text, width=200).print(grid)
    lines = [line.rstrip() for line in text.getvalue().strip().splitlines()]
    return "\n".join([f"## {table.heading}", "", table.note, "", *lines, ""])
