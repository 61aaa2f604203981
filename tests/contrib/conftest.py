"""Telemetry of this process, taken back after each test: start from `registry`, or from `otel`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from deferred_signals.contrib import opentelemetry, prometheus

TRACE = "deferred_signals.contrib.opentelemetry.Trace"


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    """Count on a registry of the test's own."""
    registry = CollectorRegistry()
    prometheus.instrument(registry)
    yield registry
    prometheus.uninstrument()


@dataclass
class Otel:
    """What OpenTelemetry's SDK was given."""

    tracer_provider: TracerProvider = field(default_factory=TracerProvider)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    def __post_init__(self) -> None:
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meter_provider = MeterProvider([self.reader])
        self.tracer = self.tracer_provider.get_tracer("tests")

    @property
    def spans(self) -> list[Any]:
        """Return the spans that have ended, those first that began first."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time)

    def span(self, name: str) -> Any:
        """Return the one span whose name begins so."""
        (found,) = [span for span in self.spans if span.name.startswith(name)]
        return found

    def points(self, name: str) -> dict[tuple[str, ...], Any]:
        """Return the points of a metric, by the values of its attributes."""
        data: Any = self.reader.get_metrics_data()
        return {
            tuple(point.attributes.values()): point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if metric.name == name
        }


@pytest.fixture
def otel(configure: Callable[..., None]) -> Iterator[Otel]:
    """Make spans and metrics, and keep them."""
    configure(CONTEXT=[TRACE])
    made = Otel()
    opentelemetry.instrument(made.tracer_provider, made.meter_provider)
    yield made
    opentelemetry.uninstrument()
    made.meter_provider.shutdown()
