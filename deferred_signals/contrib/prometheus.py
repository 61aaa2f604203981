"""Metrics for Prometheus, on a registry of the project's: the extra ``deferred_signals[prometheus]``.

`instrument` makes the metrics, and counts what this process sends and runs. Processes that share one
scrape, like a worker and its children, use the multiprocess mode of ``prometheus_client``.

`observe_outbox` adds how deep the outbox is. Call it in one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from deferred_signals.contrib.listening import Listening
from deferred_signals.contrib.measures import BUCKETS, MEASURES, OUTBOX_DEPTH, OUTBOX_OLDEST_DUE
from deferred_signals.contrib.observing import EVERY, counting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import CollectorRegistry

    from deferred_signals.contrib.counting import Counting
    from deferred_signals.contrib.measures import Measure

__all__ = ["instrument", "observe_outbox", "uninstrument"]


def instrument(registry: CollectorRegistry = REGISTRY) -> None:
    """Count what this process sends and runs; a second call does nothing.

    Call it in ``AppConfig.ready()``, so that sites and workers count alike.

    Arguments:
        registry: gets the metrics.

    Raises:
        ValueError: the registry has metrics of these names already.

    >>> from prometheus_client import CollectorRegistry, generate_latest
    >>> registry = CollectorRegistry()
    >>> instrument(registry)
    >>> b"# TYPE deferred_signals_dead_total counter" in generate_latest(registry)
    True
    >>> uninstrument()
    """
    if not _counters:
        meters = _Meters(registry)
        listening = Listening(meters)
        listening.connect()
        _counters.append((meters, listening))


def observe_outbox(
    registry: CollectorRegistry = REGISTRY, *, every: float | timedelta = EVERY
) -> None:
    """Ask the outbox how deep it is when the registry is scraped; a second call does nothing.

    Call it in one process: each that is scraped asks the databases, by one short statement each. In
    multiprocess mode give it the registry that has the ``MultiProcessCollector``.

    Arguments:
        registry: gets the metrics.
        every: for how long an answer of the databases holds, however often it is scraped, in seconds or
            as a ``timedelta``.

    Raises:
        ConfigurationError: the outbox's app is not installed, or ``every`` is no duration.
    """
    if not _collectors:
        collector = _OutboxCollector(counting(every))
        registry.register(collector)
        _collectors.append((registry, collector))


def uninstrument() -> None:
    """Take back what `instrument` and `observe_outbox` did."""
    while _counters:
        meters, listening = _counters.pop()
        listening.disconnect()
        meters.unregister()
    while _collectors:
        registry, collector = _collectors.pop()
        registry.unregister(collector)


class _Meters:
    """The metrics on a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._metrics: dict[Measure, Counter | Gauge | Histogram] = {}
        #: By a metric and the values of its labels: looking one up in the metric takes longer.
        self._adders: dict[tuple[object, ...], Counter | Gauge] = {}
        self._observers: dict[tuple[object, ...], Histogram] = {}
        try:
            for measure in MEASURES:
                if measure.kind != "gauge":
                    self._metrics[measure] = _made(measure, registry)
        except ValueError:
            self.unregister()
            raise

    def unregister(self) -> None:
        """Take the metrics from the registry."""
        for metric in self._metrics.values():
            self._registry.unregister(metric)

    def add(self, measure: Measure, amount: int, *labels: str) -> None:
        """Add to a counter or a level."""
        child = self._adders.get((measure, *labels))
        if child is None:
            metric = self._metrics[measure]
            assert not isinstance(metric, Histogram)  # noqa: S101 - the measure is of another kind
            child = self._adders[measure, *labels] = metric.labels(*labels)
        child.inc(amount)

    def record(self, measure: Measure, value: float, *labels: str) -> None:
        """Record a value of a histogram."""
        child = self._observers.get((measure, *labels))
        if child is None:
            metric = self._metrics[measure]
            assert isinstance(metric, Histogram)  # noqa: S101 - the measure is of that kind
            child = self._observers[measure, *labels] = metric.labels(*labels)
        child.observe(value)


def _made(measure: Measure, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    name, text, labels = measure.snake, measure.description, measure.labels
    if measure.kind == "counter":
        return Counter(name, text, labels, registry=registry)
    if measure.kind == "level":
        # Of processes that share a scrape, those that live add up.
        return Gauge(name, text, labels, registry=registry, multiprocess_mode="livesum")
    return Histogram(name, text, labels, registry=registry, buckets=BUCKETS)


class _OutboxCollector(Collector):
    """Tells how deep the outbox is, when it is asked."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting

    def describe(self) -> Iterator[Metric]:
        """Name the metrics, without asking a database."""
        yield from (_family(OUTBOX_DEPTH), _family(OUTBOX_OLDEST_DUE))

    def collect(self) -> Iterator[Metric]:
        """Ask for the figures."""
        depths, ages = _family(OUTBOX_DEPTH), _family(OUTBOX_OLDEST_DUE)
        for found in self._counting.found():
            for state, count in found.counts.items():
                depths.add_metric([found.using, state], count)
            ages.add_metric([found.using], found.oldest_due)
        yield from (depths, ages)


def _family(measure: Measure) -> GaugeMetricFamily:
    return GaugeMetricFamily(measure.snake, measure.description, labels=measure.labels)


#: What is in force, one at most of each.
_counters: list[tuple[_Meters, Listening]] = []
_collectors: list[tuple[CollectorRegistry, _OutboxCollector]] = []
