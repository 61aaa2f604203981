"""RabbitMQ, faster than py-amqp alone: what copies share is written once, and sent in few packets.

This is the one place that reads py-amqp's ``_serialize_properties``: to write a table of twenty
headers anew takes about half the time of publishing a message, and there is no other way to give it
one that is written already. It is used only where what it gives for one more message is what
py-amqp itself writes.
"""

from __future__ import annotations

import select
import socket
from contextlib import contextmanager, suppress
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.publishing.patterns import Copy
from deferred_signals.support.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu import Connection

    from deferred_signals.publishing.patterns import Pattern, Prepared

__all__ = ["Properties", "corked", "has_news"]


class Properties(NamedTuple):
    """The properties of a pattern's messages, headers among them, as RabbitMQ gets them: a template.

    Attributes:
        template: of all of them, for the ``%`` operator.
        size: of the table of headers, but for what is shown of the arguments.
        id_size: of a message's id, which is there thrice.
        reply_to_size: of what Celery calls the thread that sends.
    """

    template: bytes
    size: int
    id_size: int
    reply_to_size: int

    @classmethod
    def of(
        cls, channel: Any, message: Any, prepared: Prepared, pattern: Pattern
    ) -> Properties | None:
        """From the first message; None where a copy's would not be what the driver itself writes.

        Arguments:
            channel: of py-amqp, or another.
            message: what the channel made of the first.
            prepared: what it made it of.
            pattern: that the message is the first of.
        """
        if not hasattr(message, "_serialize_properties"):
            return None
        shown, reply_to = prepared.headers["argsrepr"], prepared.properties["reply_to"]
        written = message._serialize_properties()  # noqa: SLF001 - see above
        made = cls._of(written, prepared.headers["id"].encode(), reply_to.encode(), shown.encode())
        other = Copy(pattern, new_id(), (), f"{shown}, more", reply_to)
        expected = channel.prepare_message(*pattern.prepared(other))._serialize_properties()  # noqa: SLF001
        return made if made is not None and made.filled(other) == expected else None

    @classmethod
    def _of(cls, written: bytes, id_: bytes, reply_to: bytes, shown: bytes) -> Properties | None:
        start = _start_of_headers(written)
        around = written[start + LENGTH.size :].split(_header(LENGTH.pack(len(shown)), shown))
        if not start or len(around) != 2:  # noqa: PLR2004 - before and after it
            return None
        head, before, after = (
            part.replace(b"%", b"%%").replace(id_, b"%(id)b").replace(reply_to, b"%(reply_to)b")
            for part in (written[:start], *around)
        )
        return cls(
            b"".join((head, b"%(size)b", before, _header(b"%(length)b", b"%(shown)b"), after)),
            LENGTH.unpack_from(written, start)[0] - len(shown),
            len(id_),
            len(reply_to),
        )

    def filled(self, copy: Copy) -> bytes | None:
        """Those of a copy; None where its ids have another length."""
        id_, reply_to = copy.task_id.encode(), copy.reply_to.encode()
        if len(id_) != self.id_size or len(reply_to) != self.reply_to_size:
            return None
        shown = copy.argsrepr.encode()
        return self.template % {
            b"id": id_,
            b"length": LENGTH.pack(len(shown)),
            b"reply_to": reply_to,
            b"shown": shown,
            b"size": LENGTH.pack(self.size + len(shown)),
        }

    def give_to(self, message: Any, copy: Copy) -> None:
        """Let a copy's message be written with these, where they fit."""
        written = self.filled(copy)
        if written is not None:
            message._serialize_properties = lambda: written  # noqa: SLF001 - see above


#: The length of a table, or of a text in one.
LENGTH = Struct(">I")

#: In the flags of a message's properties: it has a type of content, an encoding, headers, more flags.
CONTENT_TYPE, CONTENT_ENCODING, HEADERS, MORE = 1 << 15, 1 << 14, 1 << 13, 1


def _header(length: bytes, shown: bytes) -> bytes:
    """The header that shows the arguments, as a table has it: a short name, and a long text."""
    return b"\x08argsreprS" + length + shown


def _start_of_headers(written: bytes) -> int:
    """Where the table of headers begins, by its length; 0 where there is none."""
    flags = int.from_bytes(written[:2], "big")
    if not flags & HEADERS or flags & MORE:
        return 0
    start = 2
    for flag in (CONTENT_TYPE, CONTENT_ENCODING):
        if flags & flag:
            start += 1 + written[start]
    return start


@contextmanager
def corked(connection: Connection) -> Iterator[None]:
    """Hold back half-full packets until the end of the block, so that the broker wakes up less often.

    Linux can do so; elsewhere each message is sent when it is written.
    """
    option = getattr(socket, "TCP_CORK", None)
    if option is None:
        yield
        return
    sock = _socket_of(connection)
    sock.setsockopt(socket.IPPROTO_TCP, option, 1)
    try:
        yield
    finally:
        with suppress(OSError):  # it broke in the block
            sock.setsockopt(socket.IPPROTO_TCP, option, 0)


def has_news(connection: Connection) -> bool:
    """Whether RabbitMQ has said something that was not read yet; without waiting for it."""
    sock = _socket_of(connection)
    if getattr(sock, "pending", int)():  # TLS has read, and decrypted, more than was asked for
        return True
    if not hasattr(select, "poll"):  # eventlet takes it away
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _socket_of(connection: Connection) -> Any:
    driver: Any = connection.connection
    return driver.sock
