"""Publish to RabbitMQ in few packets, and write the properties of copies from a template.

py-amqp writes the properties of each message anew, among them a table of twenty headers, which takes
about half the time of publishing. The properties of one pattern differ in a few places only. So those
of one message become a template, which each copy fills. The template is used only if it gives what
py-amqp itself writes for one more message.

Publishing works without this file, at kombu's speed: take it out of `deferred_signals.publishing.batches`.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from deferred_signals.publishing.patterns import Copy
from deferred_signals.support.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deferred_signals.publishing.confirms import Confirms, Settle
    from deferred_signals.publishing.patterns import Pattern, Prepared

__all__ = ["Corked", "Properties"]

#: The option of a socket that holds half-full packets back; None on systems other than Linux.
CORK: int | None = getattr(socket, "TCP_CORK", None)


class Corked:
    """A batch that leaves in full packets, so that the broker wakes up less often.

    Linux can do so. Elsewhere each message leaves when it is written.

    This is the one place that sets py-amqp's ``_serialize_properties``, which is private: py-amqp has
    no other way to take properties that are written already.

    Arguments:
        channel: a channel of py-amqp.
        confirms: what RabbitMQ confirms on it.
    """

    may_be_left: ClassVar[bool] = True

    def __init__(self, channel: Any, confirms: Confirms) -> None:
        self._channel = channel
        self._confirms = confirms
        self._socket: Any = channel.connection.sock
        self.has_begun = False

    def __enter__(self) -> Self:
        self.has_begun = False
        if CORK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, CORK, 1)
        return self

    def __exit__(self, *error: object) -> None:
        if CORK is not None:
            with suppress(OSError):  # the connection broke in the block
                self._socket.setsockopt(socket.IPPROTO_TCP, CORK, 0)

    def publish(
        self,
        message: Any,
        arguments: Mapping[str, Any],
        prepared: Prepared,
        pattern: Pattern | None,
    ) -> None:
        """Publish a message that the channel made; make a template of it if its pattern has none."""
        if pattern is not None and pattern.may_have(Properties):
            made = Properties.of(self._channel, message, prepared, pattern)
            pattern.templates[Properties] = made
        self.has_begun = True
        self._channel.basic_publish(message, **arguments)

    def publish_copy(self, copy: Copy) -> bool:
        """Publish a copy, if its pattern has a template that it fits; return whether it was."""
        pattern = copy.pattern
        properties = pattern.templates.get(Properties)
        written = None if properties is None else properties.fill(copy)
        if written is None or pattern.sent is None:
            return False
        message = self._channel.prepare_message(*pattern.prepared(copy))
        message._serialize_properties = lambda: written  # noqa: SLF001 - see above
        self.has_begun = True
        self._channel.basic_publish(message, **pattern.sent)
        return True

    def expect(self, place: int) -> None:
        """Note the place of the publication that was published just now."""
        self._confirms.expect(place)

    def collect(self, settle: Settle, until: float) -> bool:
        """Settle publications as RabbitMQ confirms them. Return whether it has confirmed all."""
        return self._confirms.collect(settle, until)

    def shut(self) -> None:
        """Let whatever waits for an answer fail at once; from another thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class Properties(NamedTuple):
    """A template of a message's properties, headers among them, as RabbitMQ gets them.

    Attributes:
        text: all of them, for the ``%`` operator.
        size: the size of the table of headers, without the value of ``argsrepr``.
        id_size: the size of a message's id, which stands there three times.
        reply_to_size: the size of Celery's name for the thread that sends.
    """

    text: bytes
    size: int
    id_size: int
    reply_to_size: int

    @classmethod
    def of(
        cls, channel: Any, message: Any, prepared: Prepared, pattern: Pattern
    ) -> Properties | None:
        """Make a template of a message; None if a copy's would not be what the driver itself writes.

        Arguments:
            channel: of py-amqp, or of another driver.
            message: what the channel made.
            prepared: what the channel made the message of.
            pattern: the message's, which has learned.
        """
        if not hasattr(message, "_serialize_properties"):
            return None
        argsrepr, reply_to = prepared.headers["argsrepr"], prepared.properties["reply_to"]
        made = cls._of(
            message._serialize_properties(),  # noqa: SLF001 - see above
            prepared.headers["id"].encode(),
            reply_to.encode(),
            argsrepr.encode(),
        )
        other = Copy(pattern, new_id(), (), f"{argsrepr}, more", reply_to)
        expected = channel.prepare_message(*pattern.prepared(other))._serialize_properties()  # noqa: SLF001
        return made if made is not None and made.fill(other) == expected else None

    @classmethod
    def _of(cls, written: bytes, id_: bytes, reply_to: bytes, argsrepr: bytes) -> Properties | None:
        start = _start_of_headers(written)
        header = _argsrepr(LENGTH.pack(len(argsrepr)), argsrepr)
        around = written[start + LENGTH.size :].split(header)
        if not start or len(around) != 2:  # noqa: PLR2004 - before and after it
            return None
        head, before, after = (
            part.replace(b"%", b"%%").replace(id_, b"%(id)b").replace(reply_to, b"%(reply_to)b")
            for part in (written[:start], *around)
        )
        slot = _argsrepr(b"%(length)b", b"%(argsrepr)b")
        return cls(
            b"".join((head, b"%(size)b", before, slot, after)),
            LENGTH.unpack_from(written, start)[0] - len(argsrepr),
            len(id_),
            len(reply_to),
        )

    def fill(self, copy: Copy) -> bytes | None:
        """Write the properties of a copy; None if its ids have another length."""
        id_, reply_to = copy.task_id.encode(), copy.reply_to.encode()
        if len(id_) != self.id_size or len(reply_to) != self.reply_to_size:
            return None
        argsrepr = copy.argsrepr.encode()
        return self.text % {
            b"id": id_,
            b"length": LENGTH.pack(len(argsrepr)),
            b"reply_to": reply_to,
            b"argsrepr": argsrepr,
            b"size": LENGTH.pack(self.size + len(argsrepr)),
        }


#: The length of a table, or of a text in one.
LENGTH = Struct(">I")

#: Flags of a message's properties: it has a content type, an encoding, headers, more flags.
CONTENT_TYPE, CONTENT_ENCODING, HEADERS, MORE = 1 << 15, 1 << 14, 1 << 13, 1


def _argsrepr(length: bytes, text: bytes) -> bytes:
    """Write the header ``argsrepr`` as a table has it: a short name, and a long text."""
    return b"\x08argsreprS" + length + text


def _start_of_headers(written: bytes) -> int:
    """Return where the table of headers begins, by its length; 0 if there is none."""
    flags = int.from_bytes(written[:2], "big")
    if not flags & HEADERS or flags & MORE:
        return 0
    start = 2
    for flag in (CONTENT_TYPE, CONTENT_ENCODING):
        if flags & flag:
            start += 1 + written[start]
    return start
