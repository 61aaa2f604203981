"""Batches on Redis: one round trip for many messages, whose envelopes are written once.

kombu wraps each message into an envelope, a JSON text with the body in base64, and that takes most
of the time of publishing. Copies differ from the first of their pattern in a few places of it. So
an envelope that kombu wrote is made a template, and filled in for each copy: where filling it with
the first's own values gives the first's envelope to the letter, and else not at all.
"""

from __future__ import annotations

import json
import re
import sys
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from kombu.utils.json import dumps

from deferred_signals.support.ids import new_id
from deferred_signals.support.json import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deferred_signals.publishing.patterns import Copy, Pattern, Prepared

__all__ = ["Batch"]


class Batch:
    """What goes out together: what kombu publishes in it, and copies in between.

    Arguments:
        channel: of kombu's Redis transport.
    """

    def __init__(self, channel: Any) -> None:
        # It must not send before it is told to: kombu does not know of the copies.
        self._batch = channel.create_publish_batch(max_size=sys.maxsize)
        # Neither kombu nor redis-py promises these two: without them kombu writes and sends all.
        self._pipeline: Any = getattr(self._batch, "pipeline", None)
        self._commands: list[Any] = getattr(self._pipeline, "command_stack", [])
        # The client puts a prefix to a key by itself, and would do it twice.
        self._has_prefix = bool(channel.global_keyprefix)
        self._key = ""
        self._copies: list[str] = []

    def publish(
        self,
        message: Any,
        arguments: Mapping[str, Any],
        prepared: Prepared,
        pattern: Pattern | None,
    ) -> None:
        """Add a message by kombu.

        Arguments:
            message: what the channel made of it.
            arguments: of the channel's ``basic_publish``.
            prepared: what the channel made it of.
            pattern: whose copies are written like it, once it has learned.
        """
        self._push()
        before = len(self._commands)
        self._batch.publish(message, **arguments)
        if pattern is not None and pattern.sent is not None and not pattern.is_enveloped:
            pattern.is_enveloped = True
            # Queues may come to be bound to an exchange, or leave it, at any time.
            if not arguments["exchange"] and not self._has_prefix:
                pattern.envelope = Envelope.of(self._commands[before:], prepared)

    def add(self, copy: Copy) -> bool:
        """Add a copy, where its pattern has an envelope."""
        envelope = copy.pattern.envelope
        if envelope is None:
            return False
        if envelope.key != self._key:
            self._push()
            self._key = envelope.key
        self._copies.append(envelope.filled(copy))
        return True

    def send(self) -> None:
        """Send all that was added, in its order, and wait for the answer.

        Raises:
            Exception: Redis refused some of it, or it is not known what arrived.
        """
        self._push()
        if self._pipeline is None:
            self._batch.flush()
        else:
            self._pipeline.execute()

    def close(self) -> None:
        """Forget what was not sent."""
        self._batch.close()

    def _push(self) -> None:
        copies, self._copies = self._copies, []
        if copies:
            self._pipeline.lpush(self._key, *copies)


class Envelope(NamedTuple):
    """What Redis keeps of a message, as a template.

    Attributes:
        key: of Redis' list.
        template: of the text, for the ``%`` operator.
    """

    key: str
    template: str

    @classmethod
    def of(cls, commands: Sequence[Any], prepared: Prepared) -> Envelope | None:
        """From what kombu tells Redis of a message; None where that is something unknown.

        Arguments:
            commands: redis-py's, each with its options.
            prepared: what the message was made of.
        """
        match commands:
            case [(("LPUSH", str(key), str(text)), _)]:
                pass
            case _:
                return None
        with suppress(KeyError, TypeError, ValueError):
            own = {
                "body": _encoded(prepared.body),
                "id": prepared.headers["id"],
                "shown": prepared.headers["argsrepr"],
                "reply_to": prepared.properties["reply_to"],
                "tag": json.loads(text)["properties"]["delivery_tag"],
            }
            template = _template(text, tuple(own))
            if template % {slot: quote(value) for slot, value in own.items()} == text:
                return cls(key, template)
        return None

    def filled(self, copy: Copy) -> str:
        """The text for a copy."""
        return self.template % {
            "body": f'"{_encoded(copy.pattern.body_of(copy))}"',
            "id": f'"{copy.task_id}"',
            "shown": quote(copy.argsrepr),
            "reply_to": f'"{copy.reply_to}"',
            "tag": f'"{new_id()}"',
        }


def _template(text: str, slots: Sequence[str]) -> str:
    """An envelope's text with a slot wherever copies differ."""
    mark = uuid4().hex
    body, id_, shown, reply_to, tag = (f"{mark} {slot}" for slot in slots)
    message = json.loads(text)
    headers, properties = message["headers"], message["properties"]
    message["body"] = body
    headers |= {"id": id_, "root_id": id_, "argsrepr": shown}
    properties |= {"correlation_id": id_, "reply_to": reply_to, "delivery_tag": tag}
    if "argsrepr" in properties:
        properties["argsrepr"] = shown
    return re.sub(rf'"{mark} (\w+)"', r"%(\1)s", dumps(message).replace("%", "%%"))


def _encoded(body: str | bytes) -> str:
    return b64encode(body.encode() if isinstance(body, str) else body).decode("ascii")
