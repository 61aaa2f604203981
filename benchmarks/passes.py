"""``python -m benchmarks.passes``: which of our functions one message passes, and in how many files.

No speed, but how far a reader has to follow one ``send()``, one commit and one run. Each is counted
when it is done for the third time in a process, since the first times import and connect. The
message goes to the Redis that the benchmarks use; what Django, Celery and kombu do is not counted.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import django
from celery.app.trace import build_tracer
from django.db import transaction

from benchmarks.services import REDIS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    from celery import Celery
    from django.dispatch import Signal

__all__ = ["Passed", "counted", "main"]

#: Times that each step is done; the last one is counted.
TIMES = 3

#: Where the code lives that is counted.
OURS = str(Path(__file__).resolve().parent.parent / "deferred_signals") + os.sep

#: Parts of a function that only some versions of Python call like one.
PARTS = {"<dictcomp>", "<genexpr>", "<listcomp>", "<setcomp>"}


class Passed(NamedTuple):
    """What was passed.

    Attributes:
        calls: of functions.
        functions: different ones.
        files: that these stand in.
    """

    calls: int
    functions: int
    files: int


class Tally:
    """Counts calls of our functions, each frame once."""

    def __init__(self, calls: Counter[CodeType] | None = None) -> None:
        self.calls: Counter[CodeType] = Counter(calls)
        self._frames: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Note a call; Python tells of a generator's next step as well."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(OURS) or code.co_name in PARTS:
            return
        if frame not in self._frames:
            self._frames.add(frame)
            self.calls[code] += 1

    @property
    def passed(self) -> Passed:
        """Sum up."""
        files = {code.co_filename for code in self.calls}
        return Passed(self.calls.total(), len(self.calls), len(files))


@contextmanager
def counted() -> Iterator[Tally]:
    """Count what the block calls."""
    tally = Tally()
    sys.setprofile(tally)
    try:
        yield tally
    finally:
        sys.setprofile(None)


def main() -> None:
    """Count, and print a table."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.project.settings")
    os.environ["BROKER_URL"] = REDIS.url
    os.environ["DATABASE_URL"] = "sqlite://:memory:"
    os.environ["BENCHMARKS_QUEUE"] = f"benchmarks.passes.{os.getpid()}"
    django.setup()
    show = "--functions" in sys.argv
    print("| | calls | functions | files |\n|---|---|---|---|")
    for name, passed in _steps(show=show):
        print(f"| {name} | {passed.calls} | {passed.functions} | {passed.files} |")


def _steps(*, show: bool) -> Iterator[tuple[str, Passed]]:
    from django.dispatch import Signal  # noqa: PLC0415 - the settings come first

    from benchmarks.project.celery import app  # noqa: PLC0415 - the same
    from deferred_signals import receiver  # noqa: PLC0415 - the same

    signal = Signal()
    receiver(signal, deferred=True, weak=False, name="benchmarks.passes.take_order")(_take_order)
    for _ in range(TIMES - 1):
        _pass(signal, app)
    sent, committed, ran = _pass(signal, app)
    _, more, _ = _pass(signal, app, messages=2)
    further = Tally(more.calls - committed.calls)
    for name, tally in (
        ("`send()`", sent),
        ("commit", committed),
        ("commit, each further message", further),
        ("run", ran),
    ):
        if show:
            print(name)
            for code, count in tally.calls.items():
                print(f"{count:4} {code.co_filename.removeprefix(OURS)}:{code.co_qualname}")
        yield name, tally.passed


def _pass(signal: Signal, app: Celery, messages: int = 1) -> tuple[Tally, Tally, Tally]:
    """Let messages pass: all of them committed, and the last one sent and run."""
    block = transaction.atomic()
    block.__enter__()
    for _ in range(messages - 1):
        _send(signal)
    with counted() as sent:
        _send(signal)
    with counted() as committed:
        block.__exit__(None, None, None)
    runs = [_run_one(app) for _ in range(messages)]
    return sent, committed, runs[-1]


def _send(signal: Signal) -> None:
    signal.send(None, order_id=7, email="ada@example.com")


def _take_order(sender: object, order_id: int, email: str, **kwargs: Any) -> None:
    """Do nothing."""


def _run_one(app: Celery) -> Tally:
    """Take the message off its queue, and run its task as a worker's child does."""
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        taken = channel.basic_get(app.conf.task_default_queue, no_ack=True)
        arguments, _, _ = taken.decode()
        headers, properties = taken.headers, taken.properties
    task = app.tasks[headers["task"]]
    trace = build_tracer(task.name, task, app=app)
    information = {**headers, "delivery_info": taken.delivery_info, "properties": properties}
    with counted() as tally:
        trace(headers["id"], arguments, {}, information)
    return tally


if __name__ == "__main__":
    main()
