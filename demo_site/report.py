"""What the demo prints: the timeline, and whether each promise was kept."""

import inspect
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from django.db import DEFAULT_DB_ALIAS, connections
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from deferred_signals.receivers import registry
from deferred_signals.receivers.receiver import Receiver
from demo_site import celery_app
from demo_site.live.scenes import WORDS
from demo_site.services import place_of
from demo_site.shop.timeline import OF_THE_SHOP, Moment, moments, timeline_file
from demo_site.story import Run, Story, happened

NAMES = {"shipped": "teapot", "rolled_back": "kettle", "placed": "cups"}
STYLES = {"site": "cyan", "worker": "green", "runner": "magenta"}
#: Bytes at the end of the timeline that are read again and again.
RECENT = 64 * 1024


@contextmanager
def step(console: Console, what: str) -> Iterator[None]:
    """Show that a step is running, and then how long it took."""
    begin = time.perf_counter()
    with console.status(f"{what} …"):
        yield
    console.print(f"[green]✓[/] {what} [dim]({time.perf_counter() - begin:.1f} s)[/]")


def follow(console: Console, work: Callable[[], None]) -> NoReturn:
    """Print each moment as it comes, and do some work in between; a stop signal ends it."""
    told = set(moments(last=RECENT))
    size = 0
    while True:
        before, size = size, timeline_file().stat().st_size
        for moment in moments(last=RECENT) if size != before else ():
            if moment in told:
                continue
            told.add(moment)
            is_work = moment.kind == "work" and moment.attempt
            attempt = f", attempt {moment.attempt}" if is_work else ""
            console.print(
                f"{moment.time}  {_process(moment)}  {moment.number:6}  {_what(moment)}{attempt}"
            )
        work()
        time.sleep(0.05)


def print_services(console: Console, hint: str | None) -> None:
    """Say which broker and which database the demo uses, and how to choose others."""
    database = connections[DEFAULT_DB_ALIAS]
    where = f"{database.display_name} at {database.settings_dict['NAME']}"
    other = "" if os.environ.get("DATABASE_URL") else " (DATABASE_URL chooses another one)"
    url = place_of(celery_app.conf.broker_url)
    console.print(f"  Broker: {escape(url)}{f' ({hint})' if hint else ''}", soft_wrap=True)
    console.print(f"  Database: {escape(where)}{other}", soft_wrap=True)


def print_code(console: Console, timeline: list[Moment]) -> None:
    """Print each deferred receiver, and beside it what it did."""
    table = Table(box=None, padding=(0, 2, 1, 0), header_style="dim")
    table.add_column("receiver")
    table.add_column("what it did", overflow="fold")
    for receiver in registry.all_receivers():
        name = receiver.name.rpartition(".")[2]
        runs = [moment for moment in timeline if moment.receiver == name and moment.attempt]
        did = "\n".join(
            f"{_process(moment)}, attempt {moment.attempt}: {escape(moment.what)}"
            for moment in runs
        )
        table.add_row(Syntax(_head_of(receiver), "python", word_wrap=True), did)
    console.print(table)


def _head_of(receiver: Receiver) -> str:
    """Return the decorator of a receiver, and its first line."""
    lines = inspect.getsource(receiver.function).splitlines()
    begin = next(place for place, line in enumerate(lines) if "def " in line)
    name = lines[begin].partition("(")[0]
    return "\n".join([*lines[:begin], f"{name}(...): ..."])


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
    if moment.kind not in OF_THE_SHOP:
        return f"{WORDS[moment.kind][0]}: {moment.receiver or ''} {what}"
    if not moment.receiver:
        return f"[bold]{what}[/]" if "transaction" in what else what
    is_ordinary = moment.kind == "work" and not moment.attempt
    return f"[bold]{moment.receiver}[/]{' (not deferred)' if is_ordinary else ''}: {what}"


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
            seen[Run("send_receipt", 3, story.placed)] == 1,
            "send_receipt, whose gateway hung up twice, succeeded on attempt 3",
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
