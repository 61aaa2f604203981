"""A message on its way out: what the commit hands to the publisher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.message.wire import reopen

if TYPE_CHECKING:
    from collections.abc import Hashable

    from deferred_signals.message import Message

__all__ = ["Outgoing"]


class Outgoing(NamedTuple):
    """A message as it travels, and how it is to be published.

    It holds no more than publishing needs: a transaction may gather thousands.

    Attributes:
        id: the message's.
        receiver: the receiver's name.
        using: alias of the database whose commit is waited for.
        shown: what is told of its kwargs, as in `Message.describe`.
        wire: the message's text.
        options: of ``apply_async``: queue, priority, countdown and the like.
        coalesce_key: messages of one transaction with equal keys become one; None: it stays alone.
        quiet: nobody is told of it, since it was deferred by somebody who was just being told.
    """

    id: str
    receiver: str
    using: str
    shown: str
    wire: str
    options: dict[str, Any]
    coalesce_key: Hashable = None
    quiet: bool = False

    def __repr__(self) -> str:
        return self.describe()

    def describe(self) -> str:
        """Say what `Message.describe` says, without reading the text."""
        return f"{self.receiver}({self.shown})"

    @property
    def message(self) -> Message:
        """The message, read from its text: for those who want to know more of it."""
        return reopen(self.wire)
