"""Pause receivers, and resume them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from deferred_signals.outbox.dialects import dialect_of
from deferred_signals.outbox.holding import release_held
from deferred_signals.outbox.models import PAUSES, PausedReceiver
from deferred_signals.outbox.operations.audit import Noted
from deferred_signals.outbox.operations.databases import connections_of

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["pause", "paused", "resume"]


def pause(receiver: str, *, using: str | None = None, user: Any = None) -> bool:
    """Let no worker begin a message of a receiver until it is resumed; return whether that is new.

    Its messages wait in the outbox. What runs now goes on. Commit delivery is not paused: its messages
    are with the broker.

    Arguments:
        receiver: its name; it need not be known to this process.
        using: alias of the database; None: all that have an outbox.
        user: who does it, for Django's admin log.
    """
    by = "" if user is None else str(user)[:255]
    changed = [_pause(connection, receiver, by) for connection in connections_of(using)]
    if any(changed):
        Noted("paused", user).note([PausedReceiver(receiver=receiver)])
    return any(changed)


def resume(receiver: str, *, using: str | None = None, user: Any = None) -> bool:
    """Let workers begin the messages of a receiver again; return whether it was paused.

    What waits is found by relays, within a few ``RELAY_INTERVAL``.

    Arguments:
        receiver: its name.
        using: alias of the database; None: all that have an outbox.
        user: who does it, for Django's admin log.
    """
    changed = [_resume(connection, receiver) for connection in connections_of(using)]
    if any(changed):
        Noted("resumed", user, removes=True).note([PausedReceiver(receiver=receiver)])
    return any(changed)


def paused(using: str | None = None) -> list[str]:
    """Return the names of the receivers that are paused.

    Arguments:
        using: alias of the database; None: all that have an outbox.
    """
    found: set[str] = set()
    for connection in connections_of(using):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT receiver FROM {PAUSES}")
            found.update(row[0] for row in cursor.fetchall())
    return sorted(found)


def _pause(connection: BaseDatabaseWrapper, receiver: str, by: str) -> bool:
    now = dialect_of(connection).now()
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {PAUSES} (receiver, paused_at, paused_by) VALUES (%s, {now.sql}, %s)",
                [receiver, *now.values, by],
            )
    except IntegrityError:  # it is paused
        return False
    return True


def _resume(connection: BaseDatabaseWrapper, receiver: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {PAUSES} WHERE receiver = %s", [receiver])
        was_paused = bool(cursor.rowcount)
    release_held(connection, receiver)  # also where an earlier command has died in the midst of it
    return was_paused
