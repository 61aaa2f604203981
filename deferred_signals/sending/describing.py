"""What is told of a message at send: what `Message.describe` tells of it, and sooner."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from deferred_signals.message.description import describe_kwargs

if TYPE_CHECKING:
    from deferred_signals.sending.encode import Written

__all__ = ["describe_sent"]

#: How the tags begin of all that refers to rows: ``$ref``, ``$row``, ``$rows``.
MARK = '"$r'


def describe_sent(written: Written, sender: str) -> str:
    """Describe the kwargs of a message that is being sent.

    Arguments:
        written: the kwargs.
        sender: the sender, as JSON.
    """
    if MARK in sender:
        return describe_kwargs(written.forms, json.loads(sender))
    if MARK in written.text:
        return describe_kwargs(written.forms)
    return _names(tuple(written.forms))


@lru_cache(maxsize=1024)
def _names(names: tuple[str, ...]) -> str:
    """What is told of kwargs that refer to no rows: the same for all messages of a receiver."""
    return describe_kwargs(dict.fromkeys(names))
