"""OpenTelemetry's metrics, what `instrument` refuses, and how it is taken back."""

from collections.abc import Callable

import pytest
from django.db import transaction
from django.dispatch import Signal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from deferred_signals import Retry
from deferred_signals.contrib import opentelemetry
from deferred_signals.contrib.measures import BUCKETS, MEASURES
from deferred_signals.errors import ConfigurationError
from tests.contrib.conftest import TRACE, Otel
from tests.support.acting import raising
from tests.support.connected import Connected
from tests.support.numbers import Numbers

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "tests.measured"


def test_metrics_of_a_message_that_fails_once(
    otel: Otel, signal: Signal, defer: Connected, configure: Callable[..., None]
) -> None:
    configure(EAGER=True, EAGER_PROPAGATES=False)
    policy = Retry(max_attempts=2, wait_initial=0, wait_jitter=0)
    defer(signal, name=NAME, retry=policy)(raising(LookupError("swordfish")))
    signal.send(None)
    assert otel.points("deferred_signals.deferred")[NAME, "commit"].value == 1
    assert otel.points("deferred_signals.retries")[NAME,].value == 1
    assert otel.points("deferred_signals.dead")[NAME,].value == 1
    assert otel.points("deferred_signals.waited")[NAME,].count == 1
    durations = otel.points("deferred_signals.run.duration")
    assert {labels: point.count for labels, point in durations.items()} == {
        (NAME, "retrying"): 1,
        (NAME, "failed"): 1,
    }
    assert durations[NAME, "failed"].explicit_bounds == BUCKETS


def test_message_that_leaves_is_counted_as_published(otel: Otel, numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1, 2)
    (point,) = otel.points("deferred_signals.published").values()
    assert point.value == 2


def test_spans_without_the_carrier_are_refused(configure: Callable[..., None]) -> None:
    configure(CONTEXT=[])
    with pytest.raises(ConfigurationError, match="does not name the carrier"):
        opentelemetry.instrument(TracerProvider(), MeterProvider())
    assert opentelemetry._in_force == []  # noqa: SLF001 - nothing is left half done


def test_metrics_alone_need_no_carrier(configure: Callable[..., None], numbers: Numbers) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    opentelemetry.instrument(meter_provider=provider, spans=False)
    try:
        numbers.send(1)
        assert reader.get_metrics_data() is not None
    finally:
        opentelemetry.uninstrument()
        provider.shutdown()


def test_spans_alone_make_no_metrics(configure: Callable[..., None], numbers: Numbers) -> None:
    configure(CONTEXT=[TRACE])
    made = Otel()
    opentelemetry.instrument(made.tracer_provider, made.meter_provider, metrics=False)
    try:
        numbers.send(1)
    finally:
        opentelemetry.uninstrument()
    assert made.reader.get_metrics_data() is None
    assert [span.name.split()[0] for span in made.spans] == ["defer", "publish"]
    made.meter_provider.shutdown()


def test_second_call_does_nothing_and_nothing_is_made_any_more_when_it_is_taken_back(
    otel: Otel, numbers: Numbers
) -> None:
    other = Otel()
    opentelemetry.instrument(other.tracer_provider, other.meter_provider)
    numbers.send(1)
    assert (len(other.spans), len(otel.spans)) == (0, 2)
    opentelemetry.uninstrument()
    numbers.send(2)
    assert len(otel.spans) == 2
    (point,) = otel.points("deferred_signals.published").values()
    assert point.value == 1
    other.meter_provider.shutdown()


def test_names_and_units_are_those_of_the_measures(otel: Otel) -> None:
    for handlers in opentelemetry._in_force:  # noqa: SLF001 - to record one value of each
        meters = getattr(handlers, "_meters", None)
        for measure in MEASURES:
            if meters is not None and measure.kind != "gauge":
                act = meters.record if measure.kind == "histogram" else meters.add
                act(measure, 1, *measure.labels)
    found = {
        metric.name: (metric.unit, sorted(metric.data.data_points[0].attributes))
        for resource in otel.reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert found == {
        measure.dotted: (measure.unit, sorted(measure.labels))
        for measure in MEASURES
        if measure.kind != "gauge"
    }
