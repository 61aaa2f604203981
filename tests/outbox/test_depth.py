"""How deep the outbox is, as telemetry tells it: by one statement, of one process."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

from deferred_signals.contrib import opentelemetry, prometheus
from deferred_signals.contrib.counting import Counting
from deferred_signals.errors import ConfigurationError
from deferred_signals.outbox import pause
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.operations import depth as module
from deferred_signals.outbox.operations.depth import depth

from .rows import Kept, database_away, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def connected(kept: Kept) -> None:
    kept.connect(name="tests.kept")


NOTHING = dict.fromkeys(("due", "queued", "running", "waiting", "dead"), 0)


def test_empty_outbox_has_no_depth() -> None:
    found = depth(connection)
    assert (found.using, dict(found.counts), found.oldest_due) == ("default", NOTHING, 0.0)


def test_every_state_is_counted_by_one_statement(kept: Kept) -> None:
    due, waiting, retrying, running = (kept.send() for _ in range(4))
    kept.send()
    kept.dead()
    kept.change(due, woken_at=None, due_at=seconds(-7))
    kept.change(waiting, woken_at=None, due_at=seconds(500))
    kept.change(retrying, woken_at=None, due_at=seconds(5), attempt=1)
    assert claim(connection, running, kept.name, "here 7", 60) is not None
    with CaptureQueriesContext(connection) as queries:
        found = depth(connection)
    assert len(queries) == 1
    assert dict(found.counts) == {"due": 1, "queued": 1, "running": 1, "waiting": 2, "dead": 1}
    assert 7 <= found.oldest_due < 60


def test_counts_end(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    for _ in range(4):
        kept.send()
    assert depth(connection).counts["queued"] == 2


def test_wake_up_that_is_overdue_has_an_age_and_a_paused_receiver_none(kept: Kept) -> None:
    kept.change(kept.send(), due_at=seconds(-9))
    assert 9 <= depth(connection).oldest_due < 60
    pause(kept.name)
    assert depth(connection).oldest_due == 0.0


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    registry = CollectorRegistry()
    prometheus.observe_outbox(registry)
    yield registry
    prometheus.uninstrument()


def test_prometheus_is_told_when_it_asks(registry: CollectorRegistry, kept: Kept) -> None:
    kept.change(kept.send(), woken_at=None, due_at=seconds(-7))
    due = registry.get_sample_value(
        "deferred_signals_outbox_depth", {"database": "default", "state": "due"}
    )
    age = registry.get_sample_value(
        "deferred_signals_outbox_oldest_due_seconds", {"database": "default"}
    )
    assert (due, age is not None and 7 <= age < 60) == (1, True)


@pytest.mark.parametrize("every", [-1, "5", None, float("nan")])
def test_what_is_no_duration_is_refused_at_once(every: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"observe_outbox\(every=\) must be seconds"):
        prometheus.observe_outbox(CollectorRegistry(), every=every)
    with pytest.raises(ConfigurationError, match=r"observe_outbox\(every=\) must be seconds"):
        opentelemetry.observe_outbox(every=every)


@pytest.mark.parametrize(
    ("every", "seen"), [(60, [0, 0]), (timedelta(hours=1), [0, 0]), (0, [0, 1])]
)
def test_answer_holds_as_long_as_is_asked_for(every: Any, seen: list[int], kept: Kept) -> None:
    registry, provider = CollectorRegistry(), MeterProvider([reader := InMemoryMetricReader()])
    prometheus.observe_outbox(registry, every=every)
    opentelemetry.observe_outbox(provider, every=every)
    told = []
    try:
        for _ in seen:
            state = {"database": "default", "state": "queued"}
            told.append(registry.get_sample_value("deferred_signals_outbox_depth", state))
            assert told[-1] == points(reader)["deferred_signals.outbox.depth", "default", "queued"]
            kept.send()
    finally:
        prometheus.uninstrument()
        opentelemetry.uninstrument()
        provider.shutdown()
    assert told == seen


def test_second_collector_is_not_registered(registry: CollectorRegistry) -> None:
    other = CollectorRegistry()
    prometheus.observe_outbox(other)
    assert list(other.collect()) == []
    prometheus.uninstrument()
    assert list(registry.collect()) == []


def test_opentelemetry_is_told_until_it_is_taken_back(kept: Kept) -> None:
    kept.change(kept.send(), woken_at=None, due_at=seconds(-7))
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    opentelemetry.observe_outbox(provider)
    opentelemetry.observe_outbox(provider)
    try:
        told = points(reader)
        assert told["deferred_signals.outbox.depth", "default", "due"] == 1
        assert 7 <= told["deferred_signals.outbox.oldest_due", "default"] < 60
    finally:
        opentelemetry.uninstrument()
    assert points(reader) == {}
    provider.shutdown()


def points(reader: InMemoryMetricReader) -> dict[tuple[str, ...], float]:
    data: Any = reader.get_metrics_data()
    return {
        (metric.name, *point.attributes.values()): point.value
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def test_answer_holds_for_some_seconds(kept: Kept) -> None:
    counting, always = Counting(every=60), Counting(every=0)
    assert [found.counts["queued"] for found in counting.found()] == [0]
    kept.send()
    assert [found.counts["queued"] for found in counting.found()] == [0]
    assert [found.counts["queued"] for found in always.found()] == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked_process_asks_nothing() -> None:
    counting = Counting(every=60)
    pid = os.fork()
    if not pid:
        os._exit(0 if list(counting.found()) == [] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(counting.found()) == 1


def test_database_that_is_away_is_left_out_and_told_of_once(
    caplog: pytest.LogCaptureFixture, configure: Callable[..., None]
) -> None:
    counting = Counting(every=0)
    with database_away():
        assert list(counting.found()) == list(counting.found()) == []
    assert caplog.text.count("cannot be counted") == 1
    assert len(counting.found()) == 1
