"""What importing the library adds to a process that has Django and Celery.

Pairs of processes set up Django with its usual apps and a Celery app with a task, and one of each
pair then imports the library and declares a first receiver. Python's bytecode is cached, as it is
after an installation.
"""

from __future__ import annotations

import compileall
import subprocess
import sys
from pathlib import Path

import deferred_signals
from benchmarks.pairs import Quartiles
from benchmarks.results import Cost, Costs

__all__ = ["measure"]

#: Milliseconds that the import may add.
TARGET = 25.0

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


def measure(*, quick: bool) -> Costs:
    """Start pairs of processes in turns."""
    compileall.compile_dir(Path(deferred_signals.__file__).parent, quiet=1)
    differences, alone = [], []
    for _ in range(2 if quick else 20):
        without, _nothing = _run(SETUP + REPORT)
        whole, imported = _run(SETUP + IMPORT + REPORT)
        differences.append(whole - without)
        alone.append(imported)
    return Costs(
        title="What the import adds to Django and Celery",
        note="ms, with the first receiver: as a difference of processes, and by the clock of one.",
        results=(
            Cost(case="difference", spent=Quartiles.of(differences), at_most=TARGET),
            Cost(case="import and receiver", spent=Quartiles.of(alone), at_most=TARGET),
        ),
    )


def _run(script: str) -> tuple[float, float]:
    """Return the milliseconds of a whole process, and of what came after the set-up."""
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    whole, after = ended.stdout.split()
    return float(whole) * 1e3, float(after) * 1e3
