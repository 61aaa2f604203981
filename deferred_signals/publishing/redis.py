"""Publish many messages to Redis in one round trip, and copies of a message by a template.

Publishing works without this file, at kombu's speed: take it out of `deferred_signals.publishing.batches`.
"""

from __future__ import annotations

import sys
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Self

from deferred_signals.publishing.envelopes import Envelope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from deferred_signals.publishing.confirms import Settle
    from deferred_signals.publishing.patterns import Copy, Pattern, Prepared

__all__ = ["Pipeline"]


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

    may_be_left: ClassVar[bool] = True

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        # The client adds a prefix to each key by itself. A key taken from a command has it already.
        self._has_prefix = bool(channel.global_keyprefix)
        self._refusals: type[Exception] = channel.ResponseError
        #: kombu's batch, made once: a new one makes a client of redis-py, which takes as long as a round
        #: trip on a loopback. kombu may refuse to use a batch again in which a publication has failed.
        self._batch: Any = None
        self._has_failed = False
        self._pipeline: Any = None
        self._commands: list[Any] = []
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
        #: Publications of several commands: some queues may have what another one refuses.
        self._several: set[int] = set()
        self.has_begun = False

    @classmethod
    def suits(cls, channel: Any) -> bool:
        """Return whether a channel can send many messages in one round trip."""
        return bool(getattr(channel, "supports_batch_publish", False))

    def __enter__(self) -> Self:
        self.has_begun = False
        if self._batch is None:
            # kombu does not count the copies, so it must not send a part of the batch by itself.
            self._batch = self._channel.create_publish_batch(max_size=sys.maxsize)
            self._pipeline = getattr(self._batch, "pipeline", None)
        self._commands = getattr(self._pipeline, "command_stack", [])
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
            self._commands = []
            if kind is not None or self._pipeline is None or self._has_failed:
                self._batch.close()
                self._batch, self._has_failed = None, False
            else:
                self._pipeline.reset()

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
        try:
            self._batch.publish(message, **arguments)
        except BaseException:
            self._has_failed = True
            raise
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
            if self._copies:
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
            if added > 1:
                self._several.add(place)
        else:
            self._nothing.append(place)

    def collect(self, settle: Settle, until: float) -> bool:
        """Settle publications as Redis answers its commands. Return whether it has answered all.

        A publication that took several commands is published when the last of them succeeded.
        """
        if self._nothing:
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
        self._several.clear()
        return True

    def _settle_next(self, settle: Settle) -> None:
        try:
            self._connection.read_response(disconnect_on_error=False)
        except self._refusals as refusal:
            places, (command, key) = self._unread.popleft()
            # Redis does not say what it refuses. redis-py adds to its errors' texts in this way, too.
            refusal.args = (f"{refusal} ({command} to {key!r})", *refusal.args[1:])
            settle(places, refusal, is_certain=self._several.isdisjoint(places))
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
        places, self._places = self._places, []
        if self._pipeline is None:
            self.has_begun = True
            self._batch.flush()
        elif self._commands:
            self._pool = self._pipeline.connection_pool
            self._connection = connection = _connection_of(self._pool)
            self.has_begun = True
            packed = connection.pack_commands([arguments for arguments, _ in self._commands])
            connection.send_packed_command(packed, check_health=False)
        named = [arguments[:2] for arguments, _ in self._commands] or [()] * len(places)
        self._unread.extend(zip(places, named, strict=True))

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
