"""The spans of a message belong to the sender's trace, and the receiver's own spans to the run's."""

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from deferred_signals import Retry, SerializationError, decoded, send_again
from deferred_signals.contrib import opentelemetry
from deferred_signals.contrib.spans import MOST_OPEN, _open
from deferred_signals.contrib.trace_context import sent_with
from deferred_signals.running.settling import settle
from tests.contrib.conftest import TRACE, Otel
from tests.support.acting import raising
from tests.support.broker import Broker
from tests.support.connected import Connected, deferred
from tests.support.messages import execute

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "tests.traced"


def id_of(span: Any) -> int:
    return int(span.get_span_context().span_id)


def deliver(broker: Broker) -> None:
    """Run what was published, outside of the send's context."""
    for published in broker.take():
        token = contexts.attach(contexts.Context())
        settle(published.message, execute(published.message))
        contexts.detach(token)


def test_spans_of_a_message_are_one_trace(
    otel: Otel, signal: Signal, defer: Connected, broker: Broker
) -> None:
    @defer(signal, name=NAME)
    def receive(sender: object, **kwargs: object) -> None:
        with otel.tracer.start_as_current_span("inside"):
            pass

    with otel.tracer.start_as_current_span("request"), transaction.atomic():
        (sent,) = deferred(signal.send(None, card="swordfish"))
    deliver(broker)
    request, first, publish, run, inside = (
        otel.span(name) for name in ("request", "defer", "publish", "run", "inside")
    )
    assert [span.name for span in (first, publish, run)] == [
        f"defer {NAME}",
        f"publish {NAME}",
        f"run {NAME}",
    ]
    assert first.parent.span_id == id_of(request)
    assert publish.parent.span_id == run.parent.span_id == id_of(first)
    assert [link.context.span_id for link in run.links] == [id_of(first)]
    assert inside.parent.span_id == id_of(run)
    assert {span.get_span_context().trace_id for span in otel.spans} == {
        request.get_span_context().trace_id
    }
    assert [span.kind for span in (first, publish, run)] == [
        SpanKind.PRODUCER,
        SpanKind.CLIENT,
        SpanKind.CONSUMER,
    ]
    usual = {
        "messaging.system": "celery",
        "messaging.destination.name": NAME,
        "messaging.message.id": sent.id,
    }
    assert dict(first.attributes) == {
        **usual,
        "messaging.operation.type": "create",
        "messaging.operation.name": "defer",
        "deferred_signals.delivery": "commit",
    }
    assert dict(publish.attributes) == {
        **usual,
        "messaging.operation.type": "send",
        "messaging.operation.name": "publish",
    }
    assert dict(run.attributes) == {
        **usual,
        "messaging.operation.type": "process",
        "messaging.operation.name": "run",
        "deferred_signals.attempt": 1,
        "deferred_signals.outcome": "succeeded",
    }
    assert run.status.status_code is StatusCode.UNSET


def test_each_attempt_has_a_span_that_names_the_error_and_shows_no_text_of_it(
    otel: Otel, signal: Signal, defer: Connected, configure: Callable[..., None]
) -> None:
    configure(EAGER=True, EAGER_PROPAGATES=False)
    policy = Retry(max_attempts=2, wait_initial=0, wait_jitter=0)
    defer(signal, name=NAME, retry=policy)(raising(LookupError("swordfish")))
    signal.send(None, card="swordfish")
    runs = [span for span in otel.spans if span.name.startswith("run")]
    assert [
        (span.attributes["deferred_signals.attempt"], span.attributes["deferred_signals.outcome"])
        for span in runs
    ] == [(1, "retrying"), (2, "failed")]
    assert {span.attributes["error.type"] for span in runs} == {"LookupError"}
    assert {span.status.status_code for span in runs} == {StatusCode.ERROR}
    assert "swordfish" not in "".join(span.to_json() for span in otel.spans)


def test_run_that_is_interrupted_ends_its_span(
    otel: Otel, signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, name=NAME)(raising(KeyboardInterrupt()))
    signal.send(None)
    with pytest.raises(KeyboardInterrupt):
        deliver(broker)
    assert otel.span("run").attributes["error.type"] == "KeyboardInterrupt"


def test_span_that_is_current_on_the_worker_is_the_parent_and_the_link_stays(
    otel: Otel, signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, name=NAME)(lambda sender, **kwargs: None)
    signal.send(None)
    with otel.tracer.start_as_current_span("celery"):
        (published,) = broker.take()
        execute(published.message)
    run, celery, first = otel.span("run"), otel.span("celery"), otel.span("defer")
    assert run.parent.span_id == id_of(celery)
    assert [link.context.span_id for link in run.links] == [id_of(first)]


def test_message_without_a_trace_has_a_run_of_its_own(
    otel: Otel, signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, name=NAME)(lambda sender, **kwargs: None)
    signal.send(None)
    (published,) = broker.take()
    published.message.context.clear()
    execute(published.message)
    run = otel.span("run")
    assert (run.parent, list(run.links)) == (None, [])


def test_receivers_that_send_have_their_messages_in_the_same_trace(
    otel: Otel, defer: Connected, configure: Callable[..., None]
) -> None:
    configure(EAGER=True)
    outer, inner = Signal(), Signal()
    defer(inner, name="tests.inner")(lambda sender, **kwargs: None)
    defer(outer, name="tests.outer")(lambda sender, **kwargs: inner.send(None))
    outer.send(None)
    first, second = otel.span("run tests.outer"), otel.span("defer tests.inner")
    assert second.parent.span_id == id_of(first)
    assert otel.span("run tests.inner").links[0].context.span_id == id_of(second)
    assert otel.span("run tests.outer").attributes["deferred_signals.outcome"] == "succeeded"


def test_send_within_the_encoding_of_another_has_a_span_of_its_own(
    otel: Otel, defer: Connected, broker: Broker
) -> None:
    outer, inner = Signal(), Signal()
    defer(inner, name="tests.inner")(lambda sender, **kwargs: None)

    def capture(sender: object, **kwargs: object) -> dict[str, object]:
        inner.send(None)
        return {}

    defer(outer, name="tests.outer", capture=capture)(lambda sender, **kwargs: None)
    outer.send(None)
    assert sorted(span.name for span in otel.spans if span.name.startswith("defer")) == [
        "defer tests.inner",
        "defer tests.outer",
    ]
    assert _open.get() == ()


def test_sends_that_fail_leave_few_spans_open(
    otel: Otel, signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, name=NAME)(lambda sender, **kwargs: None)

    def send() -> int:
        for _ in range(2 * MOST_OPEN):
            with pytest.raises(SerializationError):
                signal.send(None, value=object())
        left = len(_open.get())
        signal.send(None)
        return left

    assert copy_context().run(send) == MOST_OPEN
    assert otel.span("defer").name == f"defer {NAME}"


def test_decoding_a_message_is_no_run(
    otel: Otel, signal: Signal, defer: Connected, broker: Broker
) -> None:
    seen = []

    @defer(signal, name=NAME)
    def receive(sender: object, **kwargs: object) -> None:
        decoded(message)

    signal.send(None, number=7)
    (published,) = broker.take()
    message = published.message
    seen.append(decoded(message)["number"])
    assert [span.name for span in otel.spans if span.name.startswith("run")] == []
    execute(message)
    assert seen == [7]
    assert otel.span("run").name == f"run {NAME}"


def test_message_that_is_sent_again_stays_in_its_trace(
    otel: Otel, signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, name=NAME)(lambda sender, **kwargs: None)
    signal.send(None)
    (published,) = broker.take()
    send_again(published.message)
    deliver(broker)
    assert otel.span("run").parent.span_id == id_of(otel.span("defer"))


@pytest.mark.usefixtures("broker_away", "no_store")
def test_publication_that_fails_says_why_by_a_type(
    otel: Otel, signal: Signal, defer: Connected
) -> None:
    defer(signal, name=NAME)(lambda sender, **kwargs: None)
    signal.send(None)
    publish = otel.span("publish")
    assert publish.attributes["deferred_signals.outcome"] == "lost"
    assert publish.status.status_code is StatusCode.ERROR
    assert publish.parent.span_id == id_of(otel.span("defer"))


def test_carrier_alone_takes_the_current_span_along(
    configure: Callable[..., None], signal: Signal, defer: Connected, broker: Broker
) -> None:
    configure(CONTEXT=[TRACE])
    otel = Otel()
    seen = []
    defer(signal, name=NAME)(
        lambda sender, **kwargs: seen.append(trace.get_current_span().get_span_context().span_id)
    )
    with otel.tracer.start_as_current_span("request") as request:
        signal.send(None)
    deliver(broker)
    signal.send(None)
    deliver(broker)
    assert seen == [id_of(request), 0]
    otel.meter_provider.shutdown()


@pytest.mark.parametrize(
    "value",
    [None, 7, "00-1", [], {}, {"traceparent": 7}, {"traceparent": "swordfish"}, {7: "x"}],
)
def test_trace_that_is_none_is_no_harm(value: object) -> None:
    assert sent_with(value) is None


def test_what_travels_is_small_and_no_baggage(
    otel: Otel, signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, name=NAME)(lambda sender, **kwargs: None)
    signal.send(None)
    (published,) = broker.take()
    assert published.message.context["trace"].keys() == {"traceparent"}


def test_uninstrumented_process_makes_no_span(
    otel: Otel, signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, name=NAME)(lambda sender, **kwargs: None)
    signal.send(None)
    opentelemetry.uninstrument()
    deliver(broker)
    assert [span.name.split()[0] for span in otel.spans] == ["defer", "publish"]
