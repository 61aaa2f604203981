"""Spans and metrics of OpenTelemetry's: the extra ``deferred_signals[opentelemetry]``.

`instrument` makes them, for what this process sends and runs. The carrier `Trace` takes the trace context
along, so the setting ``CONTEXT`` names it.

`observe_outbox` adds how deep the outbox is. Call it in one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import metrics as otel_metrics
from opentelemetry import trace
from opentelemetry.metrics import Counter, Histogram, Observation, UpDownCounter

from deferred_signals import conf
from deferred_signals.context import Carrier
from deferred_signals.contrib.listening import Listening
from deferred_signals.contrib.measures import BUCKETS, MEASURES, OUTBOX_DEPTH, OUTBOX_OLDEST_DUE
from deferred_signals.contrib.observing import EVERY, counting
from deferred_signals.contrib.spans import Spans
from deferred_signals.contrib.trace_context import KEY, attached, context_here, sent_with
from deferred_signals.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider
    from opentelemetry.trace import TracerProvider

    from deferred_signals.contrib.counting import Counting
    from deferred_signals.contrib.listening import Handlers
    from deferred_signals.contrib.measures import Measure

__all__ = ["Trace", "instrument", "observe_outbox", "uninstrument"]

NAME = "deferred_signals"


class Trace(Carrier):
    """Takes the trace context along: name it in the setting ``CONTEXT``.

    Where `instrument` was called, a message takes its ``defer`` span along, and its run has a span.
    Elsewhere it takes the span that is current, and the receiver's own spans are children of that.
    """

    key = KEY
    always = True

    def take(self) -> dict[str, str] | None:
        """Return the trace context in its W3C form; None where nothing is traced."""
        spans = _spans()
        return (context_here() if spans is None else spans.begin_defer()) or None

    def restore(self, value: Any) -> AbstractContextManager[None]:
        """Attach the trace context, or the span of the run."""
        spans = _spans()
        return attached(sent_with(value)) if spans is None else spans.run(value)


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    spans: bool = True,
    metrics: bool = True,
) -> None:
    """Make spans and metrics of what this process sends and runs; a second call does nothing.

    Call it in ``AppConfig.ready()``, so that sites and workers do so alike.

    Arguments:
        tracer_provider: makes the spans; by default OpenTelemetry's global one.
        meter_provider: makes the metrics; by default OpenTelemetry's global one.
        spans: whether to make spans.
        metrics: whether to make metrics.

    Raises:
        ConfigurationError: spans are to be made, and the setting ``CONTEXT`` does not name `Trace`.

    >>> instrument(spans=False)
    >>> uninstrument()
    """
    if _in_force:
        return
    found: list[Handlers] = []
    if spans:
        _check_context()
        found.append(Spans(trace.get_tracer(NAME, tracer_provider=tracer_provider)))
    if metrics:
        meter = otel_metrics.get_meter(NAME, meter_provider=meter_provider)
        found.append(Listening(_Meters(meter)))
    for handlers in found:
        handlers.connect()
    _in_force.extend(found)


def observe_outbox(
    meter_provider: MeterProvider | None = None, *, every: float | timedelta = EVERY
) -> None:
    """Ask the outbox how deep it is when metrics are exported; a second call does nothing.

    Call it in one process: each that exports asks the databases, by one short statement each.

    Arguments:
        meter_provider: makes the metrics; by default OpenTelemetry's global one.
        every: for how long an answer of the databases holds, however often it is exported, in seconds or
            as a ``timedelta``.

    Raises:
        ConfigurationError: the outbox's app is not installed, or ``every`` is no duration.
    """
    if not _countings:
        made = counting(every)
        _countings.append(made)
        _observe(otel_metrics.get_meter(NAME, meter_provider=meter_provider), made)


def uninstrument() -> None:
    """Take back what `instrument` and `observe_outbox` did."""
    while _in_force:
        _in_force.pop().disconnect()
    _countings.clear()


#: What is in force. OpenTelemetry has no way to take a gauge back: its callback looks here.
_in_force: list[Handlers] = []
_countings: list[Counting] = []


def _spans() -> Spans | None:
    for handlers in _in_force:
        if isinstance(handlers, Spans):
            return handlers
    return None


def _check_context() -> None:
    path = f"{Trace.__module__}.{Trace.__qualname__}"
    if path not in conf.current().CONTEXT:
        raise ConfigurationError(
            f"instrument() makes spans, and DEFERRED_SIGNALS['CONTEXT'] does not name the carrier "
            f"{path!r}, without which messages take no trace along. Add it there, or call "
            f"instrument(spans=False)."
        )


class _Meters:
    """The metrics of a meter."""

    def __init__(self, meter: Meter) -> None:
        self._adders: dict[Measure, Counter | UpDownCounter] = {}
        self._histograms: dict[Measure, Histogram] = {}
        for measure in MEASURES:
            given = (measure.dotted, measure.unit, measure.description)
            if measure.kind == "counter":
                self._adders[measure] = meter.create_counter(*given)
            elif measure.kind == "level":
                self._adders[measure] = meter.create_up_down_counter(*given)
            elif measure.kind == "histogram":
                self._histograms[measure] = meter.create_histogram(
                    *given, explicit_bucket_boundaries_advisory=BUCKETS
                )
        #: By a metric and the values of its labels.
        self._attributes: dict[tuple[object, ...], dict[str, str]] = {}

    def add(self, measure: Measure, amount: int, *labels: str) -> None:
        """Add to a counter or a level."""
        self._adders[measure].add(amount, self._labelled(measure, labels))

    def record(self, measure: Measure, value: float, *labels: str) -> None:
        """Record a value of a histogram."""
        self._histograms[measure].record(value, self._labelled(measure, labels))

    def _labelled(self, measure: Measure, labels: tuple[str, ...]) -> dict[str, str]:
        found = self._attributes.get((measure, *labels))
        if found is None:
            found = dict(zip(measure.labels, labels, strict=True))
            self._attributes[measure, *labels] = found
        return found


def _observe(meter: Meter, of: Counting) -> None:
    def depths(_options: CallbackOptions) -> Iterator[Observation]:
        for found in of.found() if of in _countings else ():
            for state, count in found.counts.items():
                yield Observation(count, {"database": found.using, "state": state})

    def ages(_options: CallbackOptions) -> Iterator[Observation]:
        for found in of.found() if of in _countings else ():
            yield Observation(found.oldest_due, {"database": found.using})

    for measure, callback in ((OUTBOX_DEPTH, depths), (OUTBOX_OLDEST_DUE, ages)):
        meter.create_observable_gauge(measure.dotted, [callback], measure.unit, measure.description)
