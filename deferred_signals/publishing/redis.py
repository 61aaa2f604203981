"""Publish many messages to Redis in one round trip, and write their envelopes from a template.

kombu wraps each message into an envelope: a JSON text that holds the body in base64. Writing that
text takes most of the time of publishing. The envelopes of one pattern differ in a few places only.
So the text that kombu wrote for one message becomes a template, which each copy fills. The template
is used only if it gives kombu's own text back when it is filled with that message's values.

Publishing works without this file, at kombu's speed: take it out of `deferred_signals.publishing.batches`.
"""

from __future__ import annotations

import json
import re
import sys
from base64 import b64encode
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import uuid4

from kombu.utils.json import dumps

from deferred_signals.support.ids import new_id
from deferred_signals.support.json import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from deferred_signals.publishing.confirms import Settle
    from deferred_signals.publishing.patterns import Copy, Pattern, Prepared

__all__ = ["Envelope", "Pipeline"]


class Pipeline:
    """A batch that Redis gets in one pipeline, at the end of the block.

    redis-py's own ``execute`` would wait for the answers without a deadline, and send everything
    again over another connection if this one broke. So the commands are sent, and the answers read,
    in here, by public methods of redis-py's connections. Two attributes are promised by nobody:
    ``pipeline`` of kombu's publish batch, and ``command_stack`` of redis-py's pipeline. Without them
    kombu writes and sends every message.

    Arguments:
        channel: a channel of kombu's Redis transport.
    """

    def __init__(self, channel: Any) -> None:
        # kombu does not count the copies, so it must not send a part of the batch by itself.
        self._batch = channel.create_publish_batch(max_size=sys.maxsize)
        self._pipeline: Any = getattr(self._batch, "pipeline", None)
        self._commands: list[Any] = getattr(self._pipeline, "command_stack", [])
        # The client adds a prefix to each key by itself. A key taken from a command has it already.
        self._has_prefix = bool(channel.global_keyprefix)
        self._key = ""
        self._copies: list[str] = []
        self._is_copy = False
        self._places_of_copies: list[int] = []
        #: For each command, the publications that its answer is about.
        self._places: list[list[int]] = []
        self._pool: Any = None
        self._connection: Any = None
        #: The same, of the commands that were sent and have no answer; with each command's name and key.
        self._unread: deque[tuple[list[int], Sequence[Any]]] = deque()
        #: Publications of which nothing needs to be sent: no queue is bound to their exchange.
        self._nothing: list[int] = []
        self._refusals: type[Exception] = channel.ResponseError

    @classmethod
    def suits(cls, channel: Any) -> bool:
        """Return whether a channel can send many messages in one round trip."""
        return bool(getattr(channel, "supports_batch_publish", False))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._send()
        finally:
            self._batch.close()

    def publish(
        self,
        message: Any,
        arguments: Mapping[str, Any],
        prepared: Prepared,
        pattern: Pattern | None,
    ) -> None:
        """Add a message that the channel made, and make a template of it if its pattern has none."""
        self._push()
        self._is_copy = False
        before = len(self._commands)
        self._batch.publish(message, **arguments)
        if pattern is not None and pattern.may_have(Envelope):
            # Queues may be bound to an exchange, or unbound, at any time.
            is_direct = not arguments["exchange"] and not self._has_prefix
            pattern.templates[Envelope] = (
                Envelope.of(self._commands[before:], prepared) if is_direct else None
            )

    def publish_copy(self, copy: Copy) -> bool:
        """Add a copy, if its pattern has a template; return whether it was added."""
        envelope = copy.pattern.templates.get(Envelope)
        if not isinstance(envelope, Envelope):
            return False
        if envelope.key != self._key:
            self._push()
            self._key = envelope.key
        self._copies.append(envelope.fill(copy))
        self._is_copy = True
        return True

    def expect(self, place: int) -> None:
        """Note the place of the publication that was added just now."""
        added = len(self._commands) - len(self._places)
        if self._is_copy:
            self._places_of_copies.append(place)
        elif self._pipeline is None:
            self._places.append([place])
        elif added:
            self._places += [[place]] * added
        else:
            self._nothing.append(place)

    def collect(self, settle: Settle, until: float) -> bool:
        """Settle publications as Redis answers its commands. Return whether it has answered all.

        A publication that took several commands is published when the last of them succeeded.
        """
        nothing, self._nothing = self._nothing, []
        settle(nothing)
        while self._unread:
            if self._connection is not None:
                if not self._connection.can_read(timeout=max(0.0, until - monotonic())):
                    return False
                self._settle_next(settle)
            else:
                settle(self._unread.popleft()[0])
        if self._connection is not None:
            self._pool.release(self._connection)
            self._connection = None
        return True

    def _settle_next(self, settle: Settle) -> None:
        try:
            self._connection.read_response(disconnect_on_error=False)
        except self._refusals as refusal:
            places, (command, key) = self._unread.popleft()
            # Redis does not say what it refuses. redis-py adds to its errors' texts in this way, too.
            refusal.args = (f"{refusal} ({command} to {key!r})", *refusal.args[1:])
            settle(places, refusal)
        else:
            places, _ = self._unread.popleft()
            if not self._unread or self._unread[0][0] != places:
                settle(places)

    def shut(self) -> None:
        """Let whatever waits for an answer fail at once; from another thread."""
        connection = self._connection
        if connection is not None:
            connection.disconnect()

    def _send(self) -> None:
        """Send everything that was added, in order.

        Raises:
            Exception: it is not known what was sent.
        """
        self._push()
        if self._pipeline is None:
            self._batch.flush()
        elif self._commands:
            self._pool = self._pipeline.connection_pool
            self._connection = connection = _connection_of(self._pool)
            packed = connection.pack_commands([arguments for arguments, _ in self._commands])
            connection.send_packed_command(packed, check_health=False)
        named = [arguments[:2] for arguments, _ in self._commands] or [()] * len(self._places)
        self._unread.extend(zip(self._places, named, strict=True))

    def _push(self) -> None:
        copies, self._copies = self._copies, []
        if copies:
            places, self._places_of_copies = self._places_of_copies, []
            self._pipeline.lpush(self._key, *copies)
            self._places.append(places)


def _connection_of(pool: Any) -> Any:
    """Take a connection from redis-py's pool, which ensures that it is not known to be broken."""
    try:
        return pool.get_connection()
    except TypeError:  # before redis-py 5.3
        return pool.get_connection("LPUSH")


class Envelope(NamedTuple):
    """A template of what Redis keeps of a message.

    Attributes:
        key: the key of Redis' list.
        text: the envelope, for the ``%`` operator.
    """

    key: str
    text: str

    @classmethod
    def of(cls, commands: Sequence[Any], prepared: Prepared) -> Envelope | None:
        """Make a template from what kombu tells Redis of a message; None if its form is not known.

        Arguments:
            commands: redis-py's commands, each with its options.
            prepared: what the channel made the message of.
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
                "argsrepr": prepared.headers["argsrepr"],
                "reply_to": prepared.properties["reply_to"],
                "tag": json.loads(text)["properties"]["delivery_tag"],
            }
            made = _with_slots(text, tuple(own))
            if made % {slot: quote(value) for slot, value in own.items()} == text:
                return cls(key, made)
        return None

    def fill(self, copy: Copy) -> str:
        """Write the envelope of a copy."""
        return self.text % {
            "body": f'"{_encoded(copy.pattern.body_of(copy))}"',
            "id": f'"{copy.task_id}"',
            "argsrepr": quote(copy.argsrepr),
            "reply_to": f'"{copy.reply_to}"',
            "tag": f'"{new_id()}"',
        }


def _with_slots(text: str, slots: Sequence[str]) -> str:
    """Put a slot into an envelope's text wherever copies differ."""
    mark = uuid4().hex
    body, id_, argsrepr, reply_to, tag = (f"{mark} {slot}" for slot in slots)
    message = json.loads(text)
    headers, properties = message["headers"], message["properties"]
    message["body"] = body
    headers |= {"id": id_, "root_id": id_, "argsrepr": argsrepr}
    properties |= {"correlation_id": id_, "reply_to": reply_to, "delivery_tag": tag}
    if "argsrepr" in properties:
        properties["argsrepr"] = argsrepr
    return re.sub(rf'"{mark} (\w+)"', r"%(\1)s", dumps(message).replace("%", "%%"))


def _encoded(body: str | bytes) -> str:
    return b64encode(body.encode() if isinstance(body, str) else body).decode("ascii")
