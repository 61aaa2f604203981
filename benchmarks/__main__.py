"""``python -m benchmarks``: measure, print, and draw."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.chart import draw
from benchmarks.machine import machine
from benchmarks.runs import RUNS, measure
from benchmarks.services import POSTGRES, RABBITMQ, REDIS
from benchmarks.tables import markdown, page

#: The folder for results that are not kept in the repository.
VAR = Path(__file__).resolve().parent.parent / "var" / "benchmarks"


def main() -> int:
    """Run the benchmarks that the command line names; return the exit code."""
    names = [run.name for run in RUNS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"one of: {', '.join(names)}; all without")
    parser.add_argument("--quick", action="store_true", help="only show that they run")
    parser.add_argument("--to", type=Path, default=VAR, help="the folder for table and chart")
    arguments = parser.parse_args()
    if unknown := set(arguments.name) - set(names):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}.")
    for service in (POSTGRES, RABBITMQ, REDIS):
        if not service.answers:
            print(
                f"{service.name} does not answer: set {service.variable} to where it is.",
                file=sys.stderr,
            )
            return 1
    where = machine()
    print(where, end="\n\n")
    tables = []
    for run in RUNS:
        if not arguments.name or run.name in arguments.name:
            tables.append(measure(run, quick=arguments.quick))
            print(markdown(tables[-1]), flush=True)
    arguments.to.mkdir(parents=True, exist_ok=True)
    (arguments.to / "results.md").write_text(page(where, tables))
    draw(tables, arguments.to / "results.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
