"""A message that was sent and is to be published: what waits for the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from deferred_signals.message import Message

__all__ = ["Outgoing"]


class Outgoing(NamedTuple):
    """A message, its payload, and how it is to be published.

    An Outgoing holds no more than publishing needs: a transaction may gather thousands.

    Attributes:
        message: the message.
        payload: the message's text, written when its size was checked.
        options: of ``apply_async``: queue, priority, countdown and the like.
        coalesce_key: messages of one transaction with equal keys become one; None: the message
            stays alone.
        quiet: nobody is told of the message, since whoever deferred it was just being told of
            another one.
        durable: the message becomes a row of the outbox, and the broker gets a wake-up for it.
        again: the message was sent before, under its id; it may have a row.
        order_key: durable messages with equal keys run one after another; None: it waits for no other.
    """

    message: Message
    payload: str
    options: dict[str, Any]
    coalesce_key: Hashable = None
    quiet: bool = False
    durable: bool = False
    order_key: str | None = None
    again: bool = False

    def __repr__(self) -> str:
        return repr(self.message)  # the payload has values, which no log should show
