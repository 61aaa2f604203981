"""OpenTelemetry's SDK, with its instrumentation of Celery and Django."""

from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()


def set_up() -> None:
    """Set the SDK up as `opentelemetry-instrument` does."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument()
    CeleryInstrumentor().instrument()


def current() -> tuple[str, str] | None:
    context = trace.get_current_span().get_span_context()
    return (hex(context.trace_id), hex(context.span_id)) if context.is_valid else None


def parents() -> dict[str, str | None]:
    return {
        hex(span.context.span_id): hex(span.parent.span_id) if span.parent else None
        for span in exporter.get_finished_spans()
    }
