"""What telemetry adds to a run: ``python -m benchmarks telemetry``.

A run is what a worker's child does with a message: Celery's own trace of the task, the library's
executor, and a receiver that writes one row by the ORM, committed. It runs with telemetry and without,
in turns, in one process. OpenTelemetry's spans go through its batching processor to an exporter that
drops them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from celery.app.trace import build_tracer
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import close_old_connections
from django.dispatch import Signal
from django.test import override_settings
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from benchmarks.databases import database
from benchmarks.pairs import Quartiles
from benchmarks.project import celery_app
from benchmarks.results import Cost, Costs
from deferred_signals import conf, receiver
from deferred_signals.contrib import opentelemetry, prometheus
from deferred_signals.testing import manual

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

__all__ = ["measure"]

NAME = "benchmarks.telemetry.take_order"
TRACE = "deferred_signals.contrib.opentelemetry.Trace"

#: Percent of a run that telemetry may add.
MOST = 5.0

#: Runs before those that count.
WARM_UP = 3

#: What Celery's worker does with Django's connection around a task, whether it closes it, how many runs
#: make a block, and how many pairs of blocks there are. ``CONN_MAX_AGE`` is 0 where a project sets nothing.
CONNECTIONS = (
    ("a new connection each", True, 20, 20),
    ("one connection", False, 40, 60),
)

placed = Signal()


def _take_order(sender: object, order_id: int, **kwargs: Any) -> None:
    """Write one row."""
    Group.objects.create(name=uuid4().hex)


class Dropping(SpanExporter):  # type: ignore[misc]  # the SDK is Any to type checkers
    """Drops what it is given."""

    def export(self, spans: Sequence[object]) -> SpanExportResult:
        """Drop the spans."""
        del spans
        return SpanExportResult.SUCCESS


#: Turns telemetry on for the length of a block.
On = Callable[[], "AbstractContextManager[None]"]


@contextmanager
def _counted() -> Iterator[On]:
    @contextmanager
    def on() -> Iterator[None]:
        prometheus.instrument(CollectorRegistry())
        try:
            yield
        finally:
            prometheus.uninstrument()

    yield on


@contextmanager
def _metered() -> Iterator[On]:
    provider = MeterProvider([InMemoryMetricReader()])

    @contextmanager
    def on() -> Iterator[None]:
        opentelemetry.instrument(meter_provider=provider, spans=False)
        try:
            yield
        finally:
            opentelemetry.uninstrument()

    yield on
    provider.shutdown()


@contextmanager
def _traced() -> Iterator[On]:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Dropping()))
    present = getattr(settings, "DEFERRED_SIGNALS", None) or {}
    context = [*conf.Settings().CONTEXT, TRACE]

    @contextmanager
    def on() -> Iterator[None]:
        with override_settings(DEFERRED_SIGNALS={**present, "CONTEXT": context}):
            opentelemetry.instrument(tracer_provider=provider, metrics=False)
            try:
                yield
            finally:
                opentelemetry.uninstrument()

    yield on
    provider.shutdown()


@contextmanager
def _both() -> Iterator[On]:
    with _counted() as counts, _traced() as traces:

        @contextmanager
        def on() -> Iterator[None]:
            with counts(), traces():
                yield

        yield on


KINDS: dict[str, Callable[[], AbstractContextManager[On]]] = {
    "Prometheus": _counted,
    "OpenTelemetry, metrics": _metered,
    "OpenTelemetry, spans": _traced,
    "Prometheus, and spans": _both,
}


class Spent(NamedTuple):
    """Microseconds of a run.

    Attributes:
        wall: by the clock.
        cpu: of this process, all of its threads.
    """

    wall: float
    cpu: float


def measure(*, quick: bool) -> Costs:
    """Measure runs with each kind of telemetry, and without, in a database of their own."""
    results: list[Cost] = []
    usual: list[str] = []
    with database():
        receiver(placed, deferred=True, weak=False, name=NAME)(_take_order)
        for connection, closes, runs, rounds in CONNECTIONS:
            runs, rounds = (5, 4) if quick else (runs, rounds)  # noqa: PLW2901 - as the table says
            walls: list[float] = []
            for kind, make in KINDS.items():
                with make() as on:
                    pairs = [_in_turns(on, runs, turn, closes=closes) for turn in range(rounds)]
                wall = statistics.median(none.wall for _, none in pairs)
                cpu = [some.cpu - none.cpu for some, none in pairs]
                walls.append(wall)
                case = f"{kind}, {connection} ({statistics.median(cpu):.0f} µs)"
                added = Quartiles.of([value / wall * 100 for value in cpu])
                results.append(Cost(case=case, spent=added, at_most=MOST))
            usual.append(f"{statistics.median(walls):,.0f} µs, {connection}")
    return Costs(
        title="What telemetry adds to a run",
        note=(
            f"% of the time of a run that writes one row by the ORM and commits it. Without telemetry "
            f"that takes {' and '.join(usual)}. What is added is CPU time, as nothing waits for "
            f"telemetry; its µs stand beside each kind. A process that does not ask for it imports nothing of it."
        ),
        results=tuple(results),
    )


def _in_turns(on: On, runs: int, turn: int, *, closes: bool) -> tuple[Spent, Spent]:
    """Measure with and without telemetry; each goes first in every other turn."""
    found = {}
    for is_on in (True, False) if turn % 2 else (False, True):
        with on() if is_on else nullcontext():
            found[is_on] = _spent(runs, closes=closes)
    return found[True], found[False]


def _spent(runs: int, *, closes: bool) -> Spent:
    """Measure runs; the first ones do not count."""
    payload, task = _sent(), celery_app.tasks[NAME]
    trace = build_tracer(NAME, task, app=celery_app)
    wall = cpu = 0.0
    for number in range(-WARM_UP, runs):
        if not number:
            wall, cpu = time.perf_counter(), time.process_time()
        if closes:
            close_old_connections()
        trace(f"{number}", [payload], {}, {"id": f"{number}", "task": NAME})
        if closes:
            close_old_connections()
    seconds = Spent(time.perf_counter() - wall, time.process_time() - cpu)
    return Spent(*(value / runs * 1e6 for value in seconds))


def _sent() -> str:
    """Send a message, and return its text, as a worker gets it."""
    with manual() as collected:
        placed.send(None, order_id=7)
        (payload,) = collected.wires
    return payload
