"""Telemetry of a sender and of a worker's children: one trace, and one scrape."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from deferred_signals.contrib import opentelemetry
from tests.app.fault_receivers import leaves_a_row
from tests.app.passing_receivers import passes_on
from tests.support.processes import free_port, wait_until

from .nodes import Broker, needs_local_broker
from .runs import defer, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.parametrize("node", ["redis"], indirect=True),
    needs_local_broker,
]

CONTEXT = {"CONTEXT": ["deferred_signals.contrib.opentelemetry.Trace"]}


@pytest.fixture
def sent() -> Iterator[InMemorySpanExporter]:
    """Make spans of what this process sends."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with override_settings(DEFERRED_SIGNALS=CONTEXT):
        opentelemetry.instrument(provider, metrics=False)
        yield exporter
    opentelemetry.uninstrument()


def scraped(folder: Path, name: str, **labels: str) -> float:
    """Return a figure of all processes that share the folder."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]  # its own
    return registry.get_sample_value(f"deferred_signals_{name}", labels) or 0.0


def noted(spans: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in spans.read_text(encoding="utf-8").splitlines()]


def test_sender_and_children_share_a_trace_and_a_scrape(
    broker: Broker, tmp_path: Path, sent: InMemorySpanExporter
) -> None:
    spans, metrics = tmp_path / "spans", tmp_path / "metrics"
    spans.touch()
    metrics.mkdir()
    nowhere = f"amqp://127.0.0.1:{free_port()}//"
    figure = partial(scraped, metrics)
    with worker(
        broker, tmp_path, options=("-c", "2"), WITHOUT_OUTBOX="yes",
        TESTS_APP_MODULES="tests.app.instrumented tests.app.passing_receivers",
        PROMETHEUS_MULTIPROC_DIR=str(metrics), SPANS=str(spans), CHILDREN_PUBLISH_TO=nowhere,
        DEFERRED_SIGNALS=json.dumps(CONTEXT),
    ):  # fmt: skip
        with transaction.atomic():
            for number in range(6):
                defer(leaves_a_row, number=number)
        wait_for_runs(6, receiver="leaves_a_row")
        succeeded = {"receiver": "tests.leaves_a_row", "outcome": "succeeded"}
        count = partial(figure, "run_duration_seconds_count")
        wait_until(lambda: count(**succeeded) == 6, 10, "all children's runs are counted")
        assert figure("waited_seconds_count", receiver="tests.leaves_a_row") == 6

        # A child sends to a broker that is away, and the message waits in its memory.
        defer(passes_on, number=7)
        (passed,) = wait_for_runs(1, receiver="passes_on")
        kept = partial(figure, "kept", receiver="tests.leaves_a_row")
        wait_until(lambda: kept() == 1, 10, "what a child keeps is told")
        for file in metrics.glob("gauge_livesum_*.db"):
            mark_process_dead(int(file.stem.rpartition("_")[2]), str(metrics))  # type: ignore[no-untyped-call]  # as above
        assert kept() == 0
        assert passed.message_id

    began = {
        span.context.span_id: span.context.trace_id
        for span in sent.get_finished_spans()
        if span.name == "defer tests.leaves_a_row"
    }
    ran = [
        span
        for span in noted(spans)
        if span["name"] == "run tests.leaves_a_row" and span["parent"] in began
    ]
    assert sorted(span["parent"] for span in ran) == sorted(began)
    assert [(span["trace"], span["links"]) for span in ran] == [
        (began[span["parent"]], [span["parent"]]) for span in ran
    ]
