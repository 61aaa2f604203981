"""The lines of a list of messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connections

from deferred_signals.outbox.dialects import time_of
from deferred_signals.outbox.operations.lookup import state_of
from deferred_signals.outbox.operations.pausing import paused
from deferred_signals.outbox.operations.wording import age_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from deferred_signals.outbox.models import OutboxMessage

__all__ = ["Line", "lines_of", "span"]


@dataclass(frozen=True)
class Line:
    """A message in a list.

    Attributes:
        row: its row, without the payload and the error.
        using: alias of its database.
        state: its state now.
        since: since when it is in that, or when it is due.
        span: how long that has been, or will be.
    """

    row: OutboxMessage
    using: str
    state: str
    since: datetime | None
    span: str


def lines_of(using: str, rows: Iterable[OutboxMessage]) -> list[Line]:
    """Make the lines for rows of one database."""
    now, names = time_of(connections[using]), set(paused(using))
    lines = []
    for row in rows:
        state, since = state_of(row, now, is_paused=row.receiver in names)
        lines.append(Line(row, using, state, since, span(since, now)))
    return lines


def span(moment: datetime | None, now: datetime) -> str:
    """Write how long ago a moment is, or how long it is until then.

    >>> from datetime import UTC, datetime, timedelta
    >>> now = datetime(2026, 1, 31, tzinfo=UTC)
    >>> span(now - timedelta(hours=3), now), span(now + timedelta(seconds=8), now)
    ('3 h ago', 'in 8 s')
    """
    if moment is None:
        return ""
    seconds = (now - moment).total_seconds()
    return f"{age_in_words(seconds)} ago" if seconds >= 0 else f"in {age_in_words(-seconds)}"
