"""The spans of a message: deferred, published, run, each under the trace context that travels with it.

The message has the context of its ``defer`` span. So the trace holds together whatever broker, relay or
database lies between, and however late the message is published.
"""

from __future__ import annotations

from contextvars import ContextVar
from time import time_ns
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from deferred_signals import events
from deferred_signals.contrib.listening import Handlers, fate_of
from deferred_signals.contrib.run_spans import RunSpan, running
from deferred_signals.contrib.trace_context import (
    KEY,
    W3C,
    attached,
    attributes,
    context_here,
    note_error,
    sent_with,
    texts_of,
)
from deferred_signals.running.current import current_message
from deferred_signals.support.telling import is_telling

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Span, Tracer

    from deferred_signals.message import Message

__all__ = ["Spans"]

#: Spans of sends that nobody has heard of yet: a send within the encoding of another one has its own.
#: Those that are left, since their sends failed, are forgotten.
MOST_OPEN = 16


class _Open(NamedTuple):
    """A ``defer`` span that is to be ended.

    Attributes:
        parent: the text that the message has of it.
        span: the span.
    """

    parent: str
    span: Span


_open: ContextVar[tuple[_Open, ...]] = ContextVar("deferred_signals_open_spans", default=())


class Spans(Handlers):
    """Makes the spans of what this process sends and runs.

    Arguments:
        tracer: OpenTelemetry's.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        super().__init__(
            (
                (events.message_deferred, self._end_defer),
                (events.message_published, self._published),
                (events.publish_failed, self._not_published),
                (events.receiver_ran, self._note_outcome),
            )
        )

    def begin_defer(self) -> dict[str, str]:
        """Begin the span of a send, and return what travels of it.

        The span ends when ``message_deferred`` is sent. What a handler of lifecycle signals sends has no
        span of its own, as no signal tells of it.
        """
        if is_telling():
            return context_here()
        span = self._tracer.start_span(
            "defer", kind=SpanKind.PRODUCER, attributes={"messaging.system": "celery"}
        )
        texts: dict[str, str] = {}
        W3C.inject(texts, trace.set_span_in_context(span))
        if "traceparent" in texts and span.is_recording():
            _open.set((*_open.get()[1 - MOST_OPEN :], _Open(texts["traceparent"], span)))
        return texts

    def _end_defer(self, *, message: Message, durable: bool, **_kwargs: object) -> None:
        parent = texts_of(message).get("traceparent")
        opened = _open.get()
        for place, one in enumerate(opened):
            if one.parent == parent:
                _open.set(opened[:place])
                one.span.update_name(f"defer {message.receiver}")
                one.span.set_attributes(_told_of(message, "create", "defer"))
                one.span.set_attribute(
                    "deferred_signals.delivery", "durable" if durable else "commit"
                )
                one.span.end()

    def _published(self, *, message: Message, took: float, **_kwargs: object) -> None:
        self._publish(message, took).end()

    def _not_published(
        self, *, messages: Sequence[Message], exception: Exception, **_kwargs: object
    ) -> None:
        for message in messages:
            span = self._publish(message, 0.0)
            span.set_attribute("deferred_signals.outcome", fate_of(exception))
            note_error(span, exception.__cause__ or exception)
            span.end()

    def _publish(self, message: Message, took: float) -> Span:
        """Make the span of a publication that is over, as a child of the ``defer`` span."""
        return self._tracer.start_span(
            f"publish {message.receiver}",
            context=sent_with(message.context.get(KEY)),
            kind=SpanKind.CLIENT,
            attributes=_told_of(message, "send", "publish"),
            start_time=time_ns() - int(took * 1e9),
        )

    def run(self, value: object) -> AbstractContextManager[None]:
        """Make the context manager that makes the span of a run, which is current in the block.

        Arguments:
            value: what travelled.
        """
        message, outer = current_message(), running.get()
        if message is None or (outer is not None and outer.message is message):
            return attached(sent_with(value))  # this is `decoded()`, not a run
        return RunSpan(self._tracer, message, sent_with(value))

    def _note_outcome(
        self,
        *,
        message: Message,
        outcome: str,
        exception: BaseException | None,
        **_kwargs: object,
    ) -> None:
        run = running.get()
        if run is not None and run.message.id == message.id:
            run.span.set_attribute("deferred_signals.outcome", outcome)
            if exception is not None:
                note_error(run.span, exception)


def _told_of(message: Message, kind: str, name: str) -> dict[str, str]:
    return attributes(message.receiver, message.id, kind, name)
