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
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.sending.ids import new_id
from deferred_signals.sending.patterns import Copy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu import Connection

    from deferred_signals.sending.patterns import Pattern, Prepared

__all__ = ["Properties", "corked", "has_news"]


class Properties(NamedTuple):
    """The properties of a pattern's first message, its headers among them, as RabbitMQ gets them.

    Attributes:
        id: the message's, which is there thrice.
        reply_to: what Celery calls the thread that sent it.
        argsrepr: what is shown of its arguments.
        written: all of them.
    """

    id: bytes
    reply_to: bytes
    argsrepr: str
    written: bytes

    @classmethod
    def of(
        cls, channel: Any, message: Any, prepared: Prepared, pattern: Pattern
    ) -> Properties | None:
        """From the first message; None where a copy's would not be the same but for the ids.

        Arguments:
            channel: of py-amqp, or another.
            message: what the channel made of the first.
            prepared: what it made it of.
            pattern: that the message is the first of.
        """
        if not hasattr(message, "_serialize_properties"):
            return None
        shown, reply_to = prepared.headers["argsrepr"], prepared.properties["reply_to"]
        made = cls(
            prepared.headers["id"].encode(),
            reply_to.encode(),
            shown,
            message._serialize_properties(),  # noqa: SLF001 - see above
        )
        other = Copy(pattern, new_id(), (), shown, reply_to)
        written = channel.prepare_message(*pattern.prepared(other))._serialize_properties()  # noqa: SLF001
        return made if made.filled(other) == written else None

    def filled(self, copy: Copy) -> bytes | None:
        """Those of a copy; None where they would be of another length, or show other names."""
        id_, reply_to = copy.task_id.encode(), copy.reply_to.encode()
        if (
            copy.argsrepr != self.argsrepr
            or len(id_) != len(self.id)
            or len(reply_to) != len(self.reply_to)
        ):
            return None
        return self.written.replace(self.id, id_).replace(self.reply_to, reply_to)

    def give_to(self, message: Any, copy: Copy) -> None:
        """Let a copy's message be written with these, where they fit."""
        written = self.filled(copy)
        if written is not None:
            message._serialize_properties = lambda: written  # noqa: SLF001 - see above


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
