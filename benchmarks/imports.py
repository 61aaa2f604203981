"""What importing the library adds to a process that has Django and Celery.

Pairs of processes set up Django with its usual apps and a Celery app with a task, and one of each
pair then imports the library and declares a first receiver. Python's bytecode is cached, as it is
after an installation. Run: ``python -m benchmarks.imports``.
"""

from __future__ import annotations

import argparse
import compileall
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import deferred_signals

__all__ = ["Import", "measure"]

SETUP = """
import time

started = time.perf_counter()

import django
from celery import Celery
from django.conf import settings

names = ("admin", "auth", "contenttypes", "messages", "sessions", "staticfiles")
settings.configure(
    INSTALLED_APPS=[f"django.contrib.{name}" for name in names],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
app = Celery("benchmarks", broker="memory://")

@app.task
def task(pk): ...

app.finalize()

from django.contrib.auth.models import User
from django.db.models.signals import post_save

ready = time.perf_counter()
"""

IMPORT = """
from deferred_signals import receiver

@receiver(post_save, sender=User, deferred=True, name="benchmarks.receive")
def receive(sender, instance, **kwargs): ...
"""

REPORT = """
ended = time.perf_counter()
print(ended - started, ended - ready)
"""


@dataclass(frozen=True, kw_only=True)
class Import:
    """Milliseconds, quartiles over all pairs.

    Attributes:
        what: of the pair's difference, or of the import alone by the clock of its process.
    """

    what: str
    low: float
    median: float
    high: float


def measure(*, quick: bool) -> list[Import]:
    """Start pairs of processes in turns.

    Arguments:
        quick: only show that it runs.
    """
    compileall.compile_dir(Path(deferred_signals.__file__).parent, quiet=1)
    differences, alone = [], []
    for _ in range(2 if quick else 20):
        without, _nothing = _run(SETUP + REPORT)
        whole, imported = _run(SETUP + IMPORT + REPORT)
        differences.append(whole - without)
        alone.append(imported)
    found = []
    for what, values in (("difference of the pair", differences), ("import and receiver", alone)):
        low, median, high = statistics.quantiles(values, n=4)
        found.append(Import(what=what, low=low, median=median, high=high))
    return found


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    print("| importing the library | ms (quartiles) |")
    print("|---|---|")
    for item in measure(quick=arguments.quick):
        print(f"| {item.what} | {item.median:.1f} ({item.low:.1f} to {item.high:.1f}) |")


def _run(script: str) -> tuple[float, float]:
    """Milliseconds that a process took for all, and for what came after the set-up."""
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own
    whole, after = ended.stdout.split()
    return float(whole) * 1e3, float(after) * 1e3


if __name__ == "__main__":
    main()
