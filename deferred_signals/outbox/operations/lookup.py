"""Look at one message of the outbox."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from deferred_signals.errors import DecodeError
from deferred_signals.message import Message
from deferred_signals.outbox.dialects import moment_of, time_of
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.operations.databases import connections_of
from deferred_signals.outbox.operations.pausing import paused
from deferred_signals.outbox.operations.selection import checked_id

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["Shown", "show", "state_of"]


@dataclass(frozen=True)
class Shown:
    """One message, as people may see it: without the values of its kwargs.

    Attributes:
        using: alias of its database.
        row: its row; ``row.payload`` has the values.
        state: one of those that `status` counts.
        described: its receiver, and label and key of each row that it refers to.
        since: since when it is in its state, or when it is due.
        options: names of the options that it has beside its receiver's own.
    """

    using: str
    row: OutboxMessage
    state: str
    described: str
    since: datetime | None
    options: tuple[str, ...]


def show(id_: str | UUID, *, using: str | None = None) -> Shown | None:
    """Look for a message; return None if it is not there: it is through, or was never durable.

    Arguments:
        id_: its id.
        using: alias of the database; None: all that have an outbox.

    Raises:
        ValueError: it is no id, or the database has no outbox.
    """
    id_ = checked_id(id_)
    for connection in connections_of(using):
        row = OutboxMessage.objects.using(connection.alias).filter(pk=id_).first()
        if row is not None:
            for name, value in vars(row).items():
                if isinstance(value, datetime):
                    setattr(row, name, moment_of(connection, value))  # they may lack their zone
            return _shown(connection, row)
    return None


def _shown(connection: BaseDatabaseWrapper, row: OutboxMessage) -> Shown:
    using = connection.alias
    is_paused = row.receiver in paused(using)
    state, since = state_of(row, time_of(connection), is_paused=is_paused)
    try:
        described = Message.from_wire(row.payload).describe()
    except DecodeError as error:
        described = f"{row.receiver} (cannot be read here: {error})"
    return Shown(using, row, state, described, since, _names(row.options))


def state_of(row: OutboxMessage, now: datetime, *, is_paused: bool) -> tuple[str, datetime | None]:
    """Tell the state of a row, and since when it is in that, or when it is due.

    Arguments:
        row: the row.
        now: the time of its database.
        is_paused: whether its receiver is paused.
    """
    is_ahead = row.due_at is not None and row.due_at > now
    is_held = is_paused and row.claimed_by is None and row.claimed_at is not None
    if row.dead_at is not None:
        return "dead", row.dead_at
    if row.claimed_by is not None and is_ahead:
        return "running", row.claimed_at
    if row.woken_at is not None:
        return "queued", row.woken_at
    if is_ahead and is_held:
        return "paused", row.claimed_at
    if is_ahead:
        return "retrying" if row.attempt else "waiting", row.due_at
    return "paused" if is_paused else "due", row.due_at


def _names(options: str) -> tuple[str, ...]:
    try:
        found = json.loads(options or "{}")
    except ValueError:
        return ()
    return tuple(sorted(found)) if isinstance(found, dict) else ()
