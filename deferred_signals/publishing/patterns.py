"""Patterns: a recorded message, and the copies of it that the other messages of its task are.

A copy differs from the first in its ids, its arguments, and what is shown of them. What else a
message has, Celery, kombu, and whoever patched them put on the first: it is noted when that goes
into the broker's channel, and the copies go the same way from there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.support.json import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deferred_signals.publishing.parcels import Parcel
    from deferred_signals.publishing.rabbitmq import Properties
    from deferred_signals.publishing.redis import Envelope

__all__ = ["Copy", "Pattern", "Prepared", "Publication"]


class Publication(NamedTuple):
    """A call of kombu's ``Producer.publish`` that is still to be made.

    Attributes:
        body: of the message, not yet serialized.
        arguments: the call's keyword arguments.
        pattern: of which this is the first.
    """

    body: Any
    arguments: dict[str, Any]
    pattern: Pattern | None = None

    @property
    def declare(self) -> Sequence[Any]:
        """The queues and exchanges that must be there."""
        return self.arguments.get("declare") or ()


class Prepared(NamedTuple):
    """What ``prepare_message`` of a kombu channel makes a message of."""

    body: str | bytes
    priority: int | None
    content_type: str | None
    content_encoding: str | None
    headers: dict[str, Any]
    properties: dict[str, Any]


class Pattern:
    """A recorded message of a task, to be copied for others with the same options.

    Arguments:
        parcel: what the message was recorded for.
        recorded: the message.

    Attributes:
        options: of the parcel.
        declare: the queues and exchanges that must be there.
        sent: the keyword arguments by which the channel publishes it; None until it was published.
        envelope: how Redis keeps it, where that is known.
        is_enveloped: it was seen how Redis keeps it.
        properties: how RabbitMQ gets them, where that is known.
    """

    def __init__(self, parcel: Parcel, recorded: Publication) -> None:
        self.options = parcel.options
        self.declare = recorded.declare
        self.sent: Mapping[str, Any] | None = None
        self.envelope: Envelope | None = None
        self.is_enveloped = False
        self.properties: Properties | None = None
        self._recorded = recorded
        self._prepared: Prepared | None = None
        self._tail = ""

    def learn(self, prepared: Prepared, sent: Mapping[str, Any]) -> bool:
        """Note what a whole message was when it went into the channel, if copies can be made of it.

        Arguments:
            prepared: of what it was made.
            sent: how it was published.
        """
        tail = _tail(prepared.body)
        if tail is None:
            return False
        self._tail, self._prepared, self.sent = tail, prepared, sent
        return True

    def prepared(self, copy: Copy) -> Prepared:
        """Of what the channel makes a copy, once the pattern has learned."""
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
        """The body of a copy, once the pattern has learned."""
        return _head(copy.wires) + self._tail

    def whole(self, copy: Copy) -> Publication:
        """A copy as ``Producer.publish`` takes it: while nothing is learned, or can be."""
        body, arguments = self._recorded.body, self._recorded.arguments
        headers = copy.headers(arguments["headers"])
        return Publication(
            (copy.wires, *body[1:]), {**copy.properties(arguments), "headers": headers}
        )


class Copy(NamedTuple):
    """What is a message's own, where the rest is its pattern's.

    Attributes:
        pattern: what it is a copy of.
        task_id: the message's id.
        wires: the task's arguments.
        argsrepr: what is shown of them.
        reply_to: what Celery calls the thread that sends it.
    """

    pattern: Pattern
    task_id: str
    wires: tuple[str, ...]
    argsrepr: str
    reply_to: str

    @property
    def declare(self) -> Sequence[Any]:
        """The queues and exchanges that must be there."""
        return self.pattern.declare

    def headers(self, first: Mapping[str, Any]) -> dict[str, Any]:
        """The headers, of those that the first message has."""
        id_ = self.task_id
        return {**first, "id": id_, "root_id": id_, "argsrepr": self.argsrepr}

    def properties(self, first: Mapping[str, Any]) -> dict[str, Any]:
        """The properties, of those that the first message has."""
        found = {**first, "correlation_id": self.task_id, "reply_to": self.reply_to}
        if "argsrepr" in first:  # Celery lets it slip among the properties, too
            found["argsrepr"] = self.argsrepr
        return found


def _head(wires: tuple[str, ...]) -> str:
    """How a body begins in kombu's JSON: with the arguments."""
    return f"[[{', '.join(map(quote, wires))}]"


def _tail(body: str | bytes) -> str | None:
    """What follows the arguments in a body of kombu's JSON; None in a body of another form."""
    try:
        text = body if isinstance(body, str) else body.decode("ascii")
        wires, end = _decoder.raw_decode(text, 1)
        return text[end:] if _head(tuple(wires)) == text[:end] else None
    except (TypeError, ValueError):
        return None


_decoder = json.JSONDecoder()
