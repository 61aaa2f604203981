"""Prometheus's metrics: what they count, on a real registry."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal
from prometheus_client import CollectorRegistry

from deferred_signals import Discard, Retry, events
from deferred_signals.contrib import prometheus
from deferred_signals.contrib.measures import MEASURES, PUBLISHED, UNKNOWN
from deferred_signals.errors import PublishError
from deferred_signals.publishing.lines import drop_kept
from deferred_signals.running.outcomes import Failed
from deferred_signals.running.settling import settle
from tests.support.acting import raising
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected
from tests.support.messages import MakeMessage, execute
from tests.support.numbers import Numbers

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "tests.counted"


def figure(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """Return a figure; 0 where nothing was counted yet."""
    return registry.get_sample_value(f"deferred_signals_{name}", labels) or 0.0


def test_metrics_of_a_message_that_succeeds(
    registry: CollectorRegistry, signal: Signal, defer: Connected, configure: Callable[..., None]
) -> None:
    configure(EAGER=True)
    defer(signal, name=NAME)(lambda sender, **kwargs: None)
    with transaction.atomic():
        signal.send(None, card="swordfish")
        assert figure(registry, "deferred_total", receiver=NAME, delivery="commit") == 1
        assert figure(registry, "waited_seconds_count", receiver=NAME) == 0
    assert figure(registry, "waited_seconds_count", receiver=NAME) == 1
    told = {"receiver": NAME, "outcome": "succeeded"}
    assert figure(registry, "run_duration_seconds_count", **told) == 1
    assert 0 < figure(registry, "run_duration_seconds_sum", **told) < 60


def test_each_attempt_and_the_end_of_a_message_that_fails_are_counted(
    registry: CollectorRegistry, signal: Signal, defer: Connected, configure: Callable[..., None]
) -> None:
    configure(EAGER=True, EAGER_PROPAGATES=False)
    policy = Retry(max_attempts=3, wait_initial=0, wait_jitter=0)
    defer(signal, name=NAME, retry=policy)(raising(LookupError("swordfish")))
    signal.send(None)
    assert figure(registry, "retries_total", receiver=NAME) == 2
    assert figure(registry, "dead_total", receiver=NAME) == 1
    assert figure(registry, "waited_seconds_count", receiver=NAME) == 1  # of the first attempt
    for outcome, count in (("retrying", 2), ("failed", 1)):
        told = {"receiver": NAME, "outcome": outcome}
        assert figure(registry, "run_duration_seconds_count", **told) == count


def test_message_that_is_discarded_is_not_dead(
    registry: CollectorRegistry, make_message: MakeMessage
) -> None:
    message = make_message(raising(Discard("too late")))
    settle(message, execute(message))
    told = {"receiver": message.receiver, "outcome": "discarded"}
    assert figure(registry, "run_duration_seconds_count", **told) == 1
    assert figure(registry, "dead_total", receiver=message.receiver) == 0


def test_message_that_leaves_is_counted_as_published(
    registry: CollectorRegistry, signal: Signal, defer: Connected, numbers: Numbers
) -> None:
    defer(signal, name=NAME)(lambda sender, **kwargs: None)
    numbers.send(1, 2)
    assert figure(registry, "published_total", receiver=NAME) == 2


@pytest.mark.usefixtures("no_store")
def test_messages_in_memory_are_counted_until_they_are_lost(
    registry: CollectorRegistry,
    make_current: MakeCurrent,
    configure: Callable[..., Any],
    signal: Signal,
    defer: Connected,
) -> None:
    configure(KEEP_FOR=60, PUBLISH_TIMEOUT=0.05)
    make_current(broker_url="amqp://127.0.0.1:1//", broker_connection_timeout=1)
    defer(signal, name=NAME)(lambda sender, **kwargs: None)
    with transaction.atomic():
        signal.send(None)
        signal.send(None)
    assert figure(registry, "kept", receiver=NAME) == 2
    drop_kept(tell=True)
    assert figure(registry, "kept", receiver=NAME) == 0
    assert figure(registry, "publish_failures_total", receiver=NAME, outcome="lost") == 2


def test_messages_that_the_outbox_keeps_are_told_from_those_that_are_lost(
    registry: CollectorRegistry, make_message: MakeMessage
) -> None:
    message = make_message(lambda sender, **kwargs: None)
    error = PublishError("the broker is away")
    error.is_kept = True
    events.publish_failed.send_robust(
        sender=None, messages=(message,), exception=error, was_kept=False
    )
    told = {"receiver": message.receiver, "outcome": "outbox"}
    assert figure(registry, "publish_failures_total", **told) == 1
    assert figure(registry, "kept", receiver=message.receiver) == 0


@pytest.mark.usefixtures("outside_of_tests")
def test_call_that_cannot_be_deferred_is_a_publish_failure_of_no_receiver(
    registry: CollectorRegistry,
) -> None:
    events.publish_failed.send_robust(
        sender=None, messages=(), exception=PublishError("swordfish"), was_kept=False
    )
    told = {"receiver": UNKNOWN, "outcome": "undeferred"}
    assert figure(registry, "publish_failures_total", **told) == 1


def test_redelivery_is_counted_and_its_wait_is_not(
    registry: CollectorRegistry, make_message: MakeMessage
) -> None:
    message = make_message(lambda sender, **kwargs: None).redelivered()
    execute(message)
    assert figure(registry, "redeliveries_total", receiver=message.receiver) == 1
    assert figure(registry, "waited_seconds_count", receiver=message.receiver) == 0


def test_failures_begin_with_0_for_every_receiver(
    registry: CollectorRegistry, numbers: Numbers, signal: Signal, defer: Connected
) -> None:
    defer(Signal(), name=NAME)(lambda sender, **kwargs: None)  # another one, which is not sent to
    numbers.send(1)
    values = {
        sample.name: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.labels.get("receiver") == NAME and sample.name.endswith("_total")
    }
    assert values == {
        "deferred_signals_publish_failures_total": 0,
        "deferred_signals_retries_total": 0,
        "deferred_signals_redeliveries_total": 0,
        "deferred_signals_dead_total": 0,
    }


def test_name_that_no_receiver_has_makes_no_label(
    registry: CollectorRegistry, make_message: MakeMessage
) -> None:
    message = make_message(lambda sender, **kwargs: None)
    for name in ("made.up", "made.up.too"):
        events.receiver_failed.send_robust(
            sender=name, message=None, exception=LookupError(), reason="the payload is malformed"
        )
    settle(message, Failed(LookupError(), "attempt 1 of 1 failed"))
    assert figure(registry, "dead_total", receiver=UNKNOWN) == 2
    assert figure(registry, "dead_total", receiver=message.receiver) == 1
    assert figure(registry, "dead_total", receiver="made.up") == 0


def test_registry_has_every_measure_that_is_counted(registry: CollectorRegistry) -> None:
    kinds = {"counter": "counter", "level": "gauge", "histogram": "histogram"}
    found = {metric.name: metric.type for metric in registry.collect()}
    assert found == {
        measure.snake: kinds[measure.kind] for measure in MEASURES if measure.kind != "gauge"
    }


def test_second_call_does_nothing_and_metrics_can_be_taken_back(
    registry: CollectorRegistry, numbers: Numbers
) -> None:
    other = CollectorRegistry()
    prometheus.instrument(other)
    assert list(other.collect()) == []
    (published,) = (
        metric
        for measure, metric in prometheus._counters[0][0]._metrics.items()  # noqa: SLF001 - to hold it
        if measure is PUBLISHED
    )
    numbers.send(1)
    prometheus.uninstrument()
    numbers.send(2)
    assert list(registry.collect()) == []
    (metric,) = published.collect()
    assert [one.value for one in metric.samples if one.name.endswith("_total")] == [1]
    prometheus.instrument(registry)
    assert len(list(registry.collect())) == 9


def test_registry_that_has_the_names_already_is_left_as_it_was(
    registry: CollectorRegistry,
) -> None:
    prometheus.uninstrument()
    prometheus.instrument(registry)
    names = [metric.name for metric in registry.collect()]
    from_elsewhere = prometheus._Meters  # noqa: SLF001 - a second one is what a mistake would make
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        from_elsewhere(registry)
    assert [metric.name for metric in registry.collect()] == names
