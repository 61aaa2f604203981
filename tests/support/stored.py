"""`stored()`: a row of the outbox as it may be found, written without a send."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deferred_signals.message import Message
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.support.ids import new_id

__all__ = ["ago", "stored"]


def ago(seconds: float) -> datetime:
    """Return the time of so many seconds ago, by this process's clock."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def stored(
    receiver: str,
    kwargs: dict[str, Any] | None = None,
    *,
    signal: str = "tests.app.signals.order_placed",
    using: str = "default",
    **columns: Any,
) -> str:
    """Write a row, and return its id. Without columns it waits, and is due in an hour.

    Arguments:
        receiver: the receiver's name.
        kwargs: the forms of its kwargs.
        signal: the signal's name.
        using: alias of the database.
        columns: the row's other columns.
    """
    message = Message(
        id=new_id(),
        receiver=receiver,
        signal=signal,
        sender=None,
        kwargs=kwargs or {},
        using=using,
        sent_at=datetime.now(UTC),
    )
    is_dead = columns.get("dead_at") is not None
    OutboxMessage.objects.using(using).create(
        **{
            "id": message.id,
            "receiver": receiver,
            "payload": message.to_wire(),
            "created_at": ago(60),
            "due_at": None if is_dead else ago(-3600),
            **columns,
        }
    )
    return message.id
