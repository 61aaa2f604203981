"""A message on its way out: what the commit hands to the publisher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable

    from deferred_signals.message import Message

__all__ = ["Outgoing"]


@dataclass(frozen=True)
class Outgoing:
    """A message, its wire form, and how it is to be published.

    Attributes:
        message: what is sent.
        wire: the same as it travels, encoded once.
        options: of ``apply_async``: queue, priority, countdown and the like.
        coalesce_key: messages of one transaction with equal keys become one; None: it stays alone.
    """

    message: Message
    wire: str
    options: dict[str, Any]
    coalesce_key: Hashable = None
