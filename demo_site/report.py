"""What the demo prints: the timeline, and whether each promise was kept."""

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demo_site.processes import Processes
from demo_site.shop.timeline import Moment, moments
from demo_site.story import Run, Story, happened

NAMES = {"shipped": "teapot", "rolled_back": "kettle", "placed": "cups"}
STYLES = {"site": "cyan", "worker": "green"}


@contextmanager
def step(console: Console, what: str) -> Iterator[None]:
    """Show that a step is running, and then how long it took."""
    begin = time.perf_counter()
    with console.status(f"{what} …"):
        yield
    console.print(f"[green]✓[/] {what} [dim]({time.perf_counter() - begin:.1f} s)[/]")


def follow(console: Console, processes: Processes) -> None:
    """Print each moment as it comes, for as long as the processes live."""
    told = set(moments())

    def tell() -> bool:
        for moment in moments():
            if moment in told:
                continue
            told.add(moment)
            attempt = f", attempt {moment.attempt}" if moment.attempt else ""
            console.print(
                f"{moment.time}  {_process(moment)}  {moment.number:6}  {_what(moment)}{attempt}"
            )
        return False

    processes.wait_for(tell, "the end", seconds=math.inf)


def print_timeline(console: Console, timeline: list[Moment], story: Story) -> None:
    """Print every moment of one run, with its orders called by what was ordered."""
    names = {getattr(story, field): name for field, name in NAMES.items()}
    # Without lines and with short words it fits into 80 columns.
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("ms", justify="right")
    table.add_column("process", no_wrap=True)
    table.add_column("order", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("attempt", justify="right")
    for moment in timeline:
        table.add_row(
            f"{(moment.at - timeline[0].at) * 1000:.0f}",
            _process(moment),
            names.get(moment.order or "", moment.number),
            _what(moment),
            str(moment.attempt or ""),
        )
    console.print(table)


def _process(moment: Moment) -> str:
    return f"[{STYLES[moment.process]}]{moment.process:6} {moment.pid}[/]"


def _what(moment: Moment) -> str:
    what = escape(moment.what)
    if not moment.receiver:
        return f"[bold]{what}[/]" if "transaction" in what else what
    return f"[bold]{moment.receiver}[/]{'' if moment.attempt else ' (not deferred)'}: {what}"


def findings(timeline: list[Moment], story: Story) -> list[tuple[bool, str]]:
    """Tell what the demo promises, and whether each promise was kept."""
    expected, seen = story.expected(), happened(timeline)
    missing, unexpected = expected - seen, seen - expected
    of_rolled_back = [run for run in seen if run.order == story.rolled_back]
    committed = _commits(timeline)
    early = [
        moment
        for moment in timeline
        if moment.attempt and moment.order in committed and moment.at < committed[moment.order]
    ]
    sites = {moment.pid for moment in timeline if moment.process == "site"}
    workers = {moment.pid for moment in timeline if moment.process == "worker"}
    return [
        (
            not missing,
            f"{expected.total()} runs of deferred receivers{_list('missing', missing)}",
        ),
        (sites.isdisjoint(workers), "all in other processes than the site's"),
        (not unexpected, f"none more often than that{_list('too many', unexpected)}"),
        (not early, "none before the transaction that placed its order was committed"),
        (
            seen[Run("send_confirmation", 3, story.placed)] == 1,
            "send_confirmation, whose gateway hung up twice, succeeded on attempt 3",
        ),
        (not of_rolled_back, "no deferred receiver ran for the order that was rolled back"),
    ]


def print_findings(console: Console, results: list[tuple[bool, str]]) -> None:
    """Print what `findings` found."""
    for good, text in results:
        console.print(("[green]✓[/] " if good else "[red]✗ not so:[/] ") + escape(text))


def _commits(timeline: list[Moment]) -> dict[str | None, float]:
    """Return when the transaction that placed each order was committed: the order's first commit."""
    commits: dict[str | None, float] = {}
    for moment in timeline:
        if moment.what == "transaction committed":
            commits.setdefault(moment.order, moment.at)
    return commits


def _list(what: str, runs: Counter[Run]) -> str:
    if not runs:
        return ""
    names = (f"{times} of {run.receiver} (attempt {run.attempt})" for run, times in runs.items())
    return f"; {what}: " + ", ".join(names)
