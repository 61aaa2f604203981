"""A project's own module that asks for telemetry: spans go to the file `SPANS`, metrics to a folder."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from deferred_signals.contrib import opentelemetry, prometheus


class Noting(SpanExporter):  # type: ignore[misc]  # the SDK is Any to type checkers
    """Writes what the test asks of each span to a file, a line each."""

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        """Write the spans."""
        noted = [
            {
                "name": span.name,
                "trace": span.context.trace_id,
                "parent": span.parent.span_id if span.parent else None,
                "links": [link.context.span_id for link in span.links],
                "pid": os.getpid(),
            }
            for span in spans
        ]
        with Path(os.environ["SPANS"]).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(one) + "\n" for one in noted)
        return SpanExportResult.SUCCESS


def connect() -> None:
    """Instrument the worker, before its children are forked."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Noting()))
    opentelemetry.instrument(provider, metrics=False)
    prometheus.instrument()
