"""Draws results as a picture, for light and for dark pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.results import Ratios

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.results import Costs, Result

__all__ = ["draw"]

# Halfway between black and white, to be visible on both.
INK, FAINT, FASTER, SLOWER = "#7d8590", "#7d859055", "#2f81f7", "#d29922"
WIDTH, ROW, MARGIN = 8.5, 0.23, 0.55  # inches
#: How many times its place the end of a bar's text is.
LABEL = 1.4
#: Text stays text, in the reader's own font, and the same figures give the same file.
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "benchmarks",
    "text.color": INK,
}


def draw(tables: Sequence[Ratios | Costs], path: Path) -> None:
    """Draw a bar for each case, from 1 (as fast as the other) to how many times as fast ours is.

    Arguments:
        tables: the results; those that are not ``charted`` are left out.
        path: the path of the file; its suffix is the format.
    """
    shown = [table for table in tables if isinstance(table, Ratios) and table.charted]
    if not shown:
        return
    rows = sum(len(table.results) + 1 for table in shown)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, rows * ROW + MARGIN), layout="constrained")
        axes = figure.add_subplot()
        axes.set_xscale("log")
        labels: dict[int, str] = {}
        row = 0
        for table in shown:
            labels |= _draw_table(axes, row, table)
            row += len(table.results) + 1
        _frame(axes, labels, rows)
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, transparent=True, metadata=metadata)


def _draw_table(axes: Axes, row: int, table: Ratios) -> dict[int, str]:
    """Draw a title and, below it, bars; return the label of each row."""
    axes.annotate(
        table.heading,
        xy=(0.01, row),
        xycoords=("figure fraction", "data"),
        va="center",
        weight="bold",
    )
    labels = {}
    for place, result in enumerate(table.results, row + 1):
        labels[place] = table.label(result)
        _draw_bar(axes, place, result)
    axes.vlines(1, row + 0.5, row + len(table.results) + 0.5, color=INK, linewidth=1)
    return labels


def _draw_bar(axes: Axes, row: int, result: Result) -> None:
    low, speed, high = result.pair.speed
    color = FASTER if speed >= 1 else SLOWER
    axes.barh(row, speed - 1, left=1, height=0.6, color=color)
    axes.hlines(row, low, high, color=INK, linewidth=1)
    axes.vlines([low, high], row - 0.15, row + 0.15, color=INK, linewidth=1)
    if result.target is not None:
        axes.vlines(result.target, row - 0.42, row + 0.42, color=INK, linewidth=2.5)
    end = max(high, 1.0)
    if result.target is not None and end < result.target < end * LABEL:
        end = result.target  # the text would lie on its line
    axes.annotate(
        f"{speed:.1f}x",
        xy=(end, row),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
    )


def _frame(axes: Axes, labels: dict[int, str], rows: int) -> None:
    left, right = axes.get_xlim()
    axes.set_xlim(min(left, 0.8), max(right, 2) * 1.2)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}x")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(list(labels), list(labels.values()))
    axes.set_xlabel("times as fast; whisker: quartiles; thick line: what was aimed at", color=INK)
    axes.tick_params(which="both", colors=INK, length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
