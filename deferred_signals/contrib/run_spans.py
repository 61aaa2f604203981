"""The span of a run, which is current while the receiver runs."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind

from deferred_signals.contrib.trace_context import attributes, note_error

if TYPE_CHECKING:
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from deferred_signals.running.current import CurrentMessage

__all__ = ["RunSpan", "running"]


class Running(NamedTuple):
    """A ``run`` span that is open.

    Attributes:
        message: whose run it is.
        span: the span.
    """

    message: CurrentMessage
    span: Span


running: ContextVar[Running | None] = ContextVar("deferred_signals_run_span", default=None)


class RunSpan:
    """The span of a run.

    Where a span is current already, as of Celery's own instrumentation, it is the parent; else the
    ``defer`` span is. There is a link to the latter in any case.

    Arguments:
        tracer: makes it.
        message: whose run it is.
        sent: the context of the ``defer`` span, if the message has one.
    """

    __slots__ = ("_attached", "_message", "_noted", "_sent", "_span", "_tracer")

    def __init__(self, tracer: Tracer, message: CurrentMessage, sent: Context | None) -> None:
        self._tracer = tracer
        self._message = message
        self._sent = sent

    def __enter__(self) -> None:
        message, sent = self._message, self._sent
        has_parent = trace.get_current_span().get_span_context().is_valid
        parent = contexts.get_current() if has_parent or sent is None else sent
        self._span = span = self._tracer.start_span(
            f"run {message.receiver}",
            context=parent,
            kind=SpanKind.CONSUMER,
            links=() if sent is None else (Link(trace.get_current_span(sent).get_span_context()),),
            attributes={
                **attributes(message.receiver, message.id, "process", "run"),
                "deferred_signals.attempt": message.attempt,
            },
        )
        self._noted = running.set(Running(message, span))
        self._attached = contexts.attach(trace.set_span_in_context(span, parent))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        contexts.detach(self._attached)
        running.reset(self._noted)
        if error is not None:
            note_error(self._span, error)
        self._span.end()
