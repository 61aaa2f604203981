"""Patterns: the recorded message of a task, of which the other messages of the task are copies.

A copy has its own ids, its own arguments, and its own description of them. Everything else was put
into the first message by Celery, by kombu, and by whoever patched them. The pattern notes it when
the first message reaches the channel, and the copies are made from there on.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from deferred_signals.support.json import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Copy", "Pattern", "Prepared", "Publication", "Route", "Template"]


class Route(NamedTuple):
    """Where a message goes: by one route, no message overtakes another.

    Attributes:
        exchange: the exchange's name.
        key: the routing key.
        priority: the broker's; 0 where none was given.
    """

    exchange: str
    key: str
    priority: int


class Publication(NamedTuple):
    """A call of kombu's ``Producer.publish`` that is still to be made.

    Attributes:
        body: the message's body, not yet serialized.
        arguments: the call's keyword arguments.
        pattern: the pattern whose first message this is; None where no copies are made of it.
    """

    body: Any
    arguments: dict[str, Any]
    pattern: Pattern | None = None

    def with_headers(self, headers: Mapping[str, Any]) -> Publication:
        """Return the publication with headers that it gets last, whatever Celery or anybody put there.

        An event of Celery's gets none.
        """
        if headers and self.arguments.get("correlation_id"):
            self.arguments["headers"].update(headers)
        return self

    @property
    def declare(self) -> Sequence[Any]:
        """Give the queues and exchanges that must exist."""
        return self.arguments.get("declare") or ()

    @property
    def exchange(self) -> str:
        """Give the name of the exchange that is published to."""
        exchange = self.arguments.get("exchange") or ""
        return str(getattr(exchange, "name", exchange))

    @property
    def route(self) -> Route:
        """Tell where the message goes."""
        key, priority = self.arguments.get("routing_key"), self.arguments.get("priority")
        return Route(self.exchange, key or "", priority or 0)

    @property
    def size(self) -> int:
        """Add up the lengths of the texts among the task's arguments; an event of Celery's has none."""
        arguments = self.body[0] if isinstance(self.body, tuple) else ()
        return sum(len(text) for text in arguments if isinstance(text, str))


class Prepared(NamedTuple):
    """The arguments of a kombu channel's ``prepare_message``."""

    body: str | bytes
    priority: int | None
    content_type: str | None
    content_encoding: str | None
    headers: dict[str, Any]
    properties: dict[str, Any]


class Template(Protocol):
    """What a driver writes for every message of a pattern, with slots for what is a copy's own.

    Filling a template is only faster than the driver. A copy that has none is left to the driver.
    """

    def fill(self, copy: Copy) -> str | bytes | None:
        """Write what the driver would write for a copy; None if the copy does not fit."""


class Pattern:
    """A recorded message of a task, to be copied for others with the same options.

    Arguments:
        options: those of ``apply_async`` with which the message was recorded.
        recorded: the message.

    Attributes:
        options: the same.
        declare: the queues and exchanges that must exist.
        exchange: the name of the exchange that is published to.
        route: where the messages go.
        sent: the keyword arguments with which the channel published the first message; None until
            then, and for ever if its body is not of the known form.
        templates: by their class, the templates that were tried; None if there cannot be one.
    """

    def __init__(self, options: Mapping[str, Any], recorded: Publication) -> None:
        self.options = options
        self.declare = recorded.declare
        self.exchange = recorded.exchange
        self.route = recorded.route
        self.sent: Mapping[str, Any] | None = None
        self.templates: dict[type[Template], Template | None] = {}
        self._recorded = recorded
        self._prepared: Prepared | None = None
        self._tail = ""

    def learn(self, prepared: Prepared, sent: Mapping[str, Any]) -> None:
        """Note how the first message went into the channel, if copies can be made of it.

        Arguments:
            prepared: what the channel made the message of.
            sent: the keyword arguments with which the channel publishes it.
        """
        tail = _tail(prepared.body)
        if tail is not None:
            self._tail, self._prepared, self.sent = tail, prepared, sent

    def may_have(self, kind: type[Template]) -> bool:
        """Return whether a template of a kind can be made, and has not been tried."""
        return self.sent is not None and kind not in self.templates

    def prepared(self, copy: Copy) -> Prepared:
        """Give what the channel makes a copy of, once the pattern has learned."""
        first = self._prepared
        assert first is not None  # noqa: S101 - `sent` is None until then
        body = self.body_of(copy)
        return Prepared(
            body if isinstance(first.body, str) else body.encode(),
            first.priority,
            first.content_type,
            first.content_encoding,
            copy.headers(first.headers),
            copy.properties(first.properties),
        )

    def body_of(self, copy: Copy) -> str:
        """Write the body of a copy, once the pattern has learned."""
        return _head(copy.payloads) + self._tail

    def publication_of(self, copy: Copy) -> Publication:
        """Make a copy a call of ``Producer.publish``, while the pattern has not learned."""
        body, arguments = self._recorded.body, self._recorded.arguments
        headers = copy.headers(arguments["headers"])
        return Publication(
            (copy.payloads, *body[1:]), {**copy.properties(arguments), "headers": headers}
        )


class Copy(NamedTuple):
    """What one message of a pattern has for itself.

    Attributes:
        pattern: of which this is a copy.
        task_id: the id of Celery's message.
        payloads: the task's arguments.
        argsrepr: what Celery shows as the arguments.
        reply_to: Celery's name for the thread that sends.
    """

    pattern: Pattern
    task_id: str
    payloads: tuple[str, ...]
    argsrepr: str
    reply_to: str

    @property
    def declare(self) -> Sequence[Any]:
        """Give the queues and exchanges that must exist."""
        return self.pattern.declare

    @property
    def exchange(self) -> str:
        """Give the name of the exchange that is published to."""
        return self.pattern.exchange

    @property
    def route(self) -> Route:
        """Tell where the message goes."""
        return self.pattern.route

    @property
    def size(self) -> int:
        """Add up the payloads' lengths."""
        return sum(map(len, self.payloads))

    def headers(self, first: Mapping[str, Any]) -> dict[str, Any]:
        """Make the copy's headers from those of the first message."""
        id_ = self.task_id
        return {**first, "id": id_, "root_id": id_, "argsrepr": self.argsrepr}

    def properties(self, first: Mapping[str, Any]) -> dict[str, Any]:
        """Make the copy's properties from those of the first message."""
        found = {**first, "correlation_id": self.task_id, "reply_to": self.reply_to}
        if "argsrepr" in first:  # Celery passes it on among the properties, too
            found["argsrepr"] = self.argsrepr
        return found


def _head(payloads: tuple[str, ...]) -> str:
    """Write the beginning of a body in kombu's JSON: the task's arguments."""
    return f"[[{', '.join(map(quote, payloads))}]"


def _tail(body: str | bytes) -> str | None:
    """Return what follows the arguments in a body of kombu's JSON; None for a body of another form."""
    try:
        text = body if isinstance(body, str) else body.decode("ascii")
        payloads, end = _decoder.raw_decode(text, 1)
        return text[end:] if _head(tuple(payloads)) == text[:end] else None
    except (TypeError, ValueError):
        return None


_decoder = json.JSONDecoder()
