"""The trace context that travels with a message, and what its spans say of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from deferred_signals.message import Message

__all__ = [
    "KEY",
    "W3C",
    "attached",
    "attributes",
    "context_here",
    "note_error",
    "sent_with",
    "texts_of",
]

#: The carrier's key in messages.
KEY = "trace"

W3C = TraceContextTextMapPropagator()


def sent_with(value: object) -> Context | None:
    """Read the trace context that came with a message, which is data from outside; None if it has none."""
    if not isinstance(value, dict):
        return None
    texts = {key: text for key, text in value.items() if isinstance(text, str)}
    found = W3C.extract(texts, contexts.Context())
    return found if trace.get_current_span(found).get_span_context().is_valid else None


@contextmanager
def attached(context: Context | None) -> Iterator[None]:
    """Have a context of OpenTelemetry's in force in the block, if there is one."""
    if context is None:
        yield
        return
    token = contexts.attach(context)
    try:
        yield
    finally:
        contexts.detach(token)


def context_here() -> dict[str, str]:
    """Return what travels of the span that is current."""
    texts: dict[str, str] = {}
    W3C.inject(texts)
    return texts


def texts_of(message: Message) -> Mapping[str, Any]:
    """Return what travels of a message's ``defer`` span; nothing if that is none."""
    found = message.context.get(KEY)
    return found if isinstance(found, dict) else {}


def attributes(receiver: str, id_: str, kind: str, name: str) -> dict[str, str]:
    """Make the attributes that each span of a message has.

    Arguments:
        receiver: the receiver's name.
        id_: the message's id.
        kind: the type of the operation, in OpenTelemetry's words.
        name: the operation, in ours.
    """
    return {
        "messaging.system": "celery",
        "messaging.operation.type": kind,
        "messaging.operation.name": name,
        "messaging.destination.name": receiver,
        "messaging.message.id": id_,
    }


def note_error(span: Span, error: BaseException) -> None:
    """Note the type of an error, and no more: its text may hold values."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    span.set_attribute("error.type", name)
    span.set_status(Status(StatusCode.ERROR, name))
