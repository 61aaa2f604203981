"""What is known of one message, as names and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.errors import ConfigurationError
from deferred_signals.outbox.admin.boards import AHEAD
from deferred_signals.outbox.admin.lines import span
from deferred_signals.receivers import registry
from deferred_signals.receivers.options import policy_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from deferred_signals.outbox.operations.lookup import Shown

__all__ = ["Fact", "facts_of"]


class Fact(NamedTuple):
    """One thing that is known of a message.

    Attributes:
        name: what it is.
        text: the thing itself.
        moment: the thing itself, if it is a time; the text says how long ago then.
        is_code: whether the text is a name of the project's code.
    """

    name: str
    text: str
    moment: datetime | None = None
    is_code: bool = False


def facts_of(found: Shown, now: datetime) -> list[Fact]:
    """List what is known of a message; nothing of it is a value.

    Arguments:
        found: the message.
        now: the time of its database.
    """
    return [fact for fact in _facts(found, now) if fact.text]


def _facts(found: Shown, now: datetime) -> Iterator[Fact]:
    row = found.row
    yield Fact("Message", str(row.id), is_code=True)
    yield Fact("Call", found.described, is_code=True)
    yield Fact("About", row.subject, is_code=True)
    since = "Due" if found.state in AHEAD | {"due"} else "Since"
    yield Fact(since, span(found.since, now), found.since)
    if found.state == "running":
        yield Fact("Run by", row.claimed_by or "", is_code=True)
    yield Fact("Runs begun", _runs(found))
    yield Fact("Sent", span(row.created_at, now), row.created_at)
    yield Fact("Expires", span(row.expires_at, now), row.expires_at)
    yield Fact("Order", "one at a time with the other messages of its key" if row.order_key else "")
    yield Fact("Own options", ", ".join(found.options), is_code=True)
    yield Fact("Database", found.using)


def _runs(found: Shown) -> str:
    """Tell how many runs were begun, and of how many, where this process knows that."""
    begun = str(found.row.attempt)
    receiver = registry.find(found.row.receiver)
    if receiver is None:
        return begun
    try:
        most = policy_of(receiver.options).max_attempts
    except ConfigurationError:  # the system check E002 tells of it
        return begun
    return begun if most is None else f"{begun} of {most}"
