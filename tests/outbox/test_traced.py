"""The trace of a durable message travels in its row, and its wake-up shows none of it."""

from collections.abc import Callable

from django.db import transaction
from opentelemetry import context as contexts
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from deferred_signals.contrib import opentelemetry

from .rows import Kept

TRACE = "deferred_signals.contrib.opentelemetry.Trace"


def test_run_of_a_row_is_in_the_trace_of_its_sender(
    kept: Kept, configure: Callable[..., None]
) -> None:
    configure(CONTEXT=[TRACE])
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    kept.connect(does=LookupError("swordfish"))
    opentelemetry.instrument(provider, MeterProvider(), metrics=False)
    try:
        with transaction.atomic():
            wake_up = kept.send(card="swordfish")
        row = kept.row(wake_up)
        token = contexts.attach(contexts.Context())
        kept.run_through(wake_up)
        contexts.detach(token)
    finally:
        opentelemetry.uninstrument()
    spans = exporter.get_finished_spans()
    (first,) = [span for span in spans if span.name == f"defer {kept.name}"]
    runs = [span for span in spans if span.name == f"run {kept.name}"]
    assert '"traceparent"' in row.payload
    assert first.attributes["deferred_signals.delivery"] == "durable"
    assert [span.attributes["deferred_signals.outcome"] for span in runs] == [
        "retrying",
        "retrying",
        "failed",
    ]
    for run in runs:
        assert run.parent.span_id == first.context.span_id
        assert [link.context.span_id for link in run.links] == [first.context.span_id]
    assert "swordfish" not in "".join(span.to_json() for span in spans)
