"""Datadog's tracer, with its instrumentation of Celery and Django."""

import ddtrace
from ddtrace.trace import Span, TraceFilter, tracer

kept: list[Span] = []


class Keep(TraceFilter):  # type: ignore[misc]
    """Keep finished spans instead of sending them."""

    def process_trace(self, trace: list[Span]) -> None:
        kept.extend(trace)


def set_up() -> None:
    """Patch what the tracer instruments, unless `ddtrace-run` has done so."""
    ddtrace.patch(celery=True, django=True)
    tracer.configure(trace_processors=[Keep()])


def current() -> tuple[str, str] | None:
    span = tracer.current_span()
    return (str(span.trace_id), str(span.span_id)) if span else None


def parents() -> dict[str, str | None]:
    return {str(span.span_id): str(span.parent_id) if span.parent_id else None for span in kept}
