"""Replay, discard and purge dead letters, and cancel a message that waits."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from deferred_signals import conf
from deferred_signals.outbox.dialects import dialect_of
from deferred_signals.outbox.models import TABLE, OutboxMessage
from deferred_signals.outbox.operations.audit import Noted
from deferred_signals.outbox.operations.databases import connections_of
from deferred_signals.outbox.operations.letters import (
    count,
    count_old,
    in_batches,
    remove_dead,
    remove_old,
    revive,
)
from deferred_signals.outbox.operations.redirect import copy_to
from deferred_signals.outbox.operations.selection import checked_id
from deferred_signals.outbox.turns import hasten_next
from deferred_signals.receivers import registry
from deferred_signals.support.records import about
from deferred_signals.support.telling import log
from deferred_signals.support.validators import seconds, validated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.outbox.operations.letters import Letter
    from deferred_signals.outbox.operations.selection import Selection

__all__ = ["StillRuns", "cancel", "discard", "purge", "replay"]


class StillRuns(Exception):
    """The message cannot be cancelled: a worker runs it now."""


def replay(
    which: Selection,
    *,
    to: str | None = None,
    using: str | None = None,
    user: Any = None,
    dry_run: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """Let dead letters run again, from their first attempt on; return how many they were.

    They keep their ids, so a receiver that uses the id as a key for idempotence is safe. They do not
    expire, and they run out of order: messages of their ``ordered_by`` key that were sent later have
    run by now. They begin when a relay finds them, within a few ``RELAY_INTERVAL``.

    Arguments:
        which: the dead letters; ``Selection()`` are all of them.
        to: the name of another receiver of the same signal. It gets new messages, with new ids, and the
            letters stay dead. Whoever does that twice sends twice.
        using: alias of the database; None: all that have an outbox.
        user: who does it, for Django's admin log.
        dry_run: only count.
        progress: is called with how many are through by now.

    Raises:
        ValueError: the database has no outbox, or a letter does not fit the other receiver. Of a
            thousand letters that are seen to together, none is sent then.
        UnknownReceiver: this process does not know the other receiver.
    """
    other = None if to is None else registry.get(to)

    def change(connection: BaseDatabaseWrapper, letters: Sequence[Letter]) -> None:
        if other is None:
            revive(connection, letters)
        else:
            copy_to(connection, letters, other)

    if dry_run:
        return _counted(which, using)
    what = "replayed" if other is None else f"replayed to {other.name}"
    return _change_all(which, using, change, Noted(what, user), progress)


def discard(
    which: Selection,
    *,
    using: str | None = None,
    user: Any = None,
    dry_run: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """Remove dead letters for good; return how many they were.

    Arguments:
        which: the dead letters; for a message that is not dead there is `cancel`.
        using: as for `replay`, like the others.
        user: the same.
        dry_run: the same.
        progress: the same.

    Raises:
        ValueError: the database has no outbox.
    """
    if dry_run:
        return _counted(which, using)
    return _change_all(which, using, remove_dead, Noted("discarded", user, removes=True), progress)


def purge(
    *,
    older_than: float | timedelta | None = None,
    using: str | None = None,
    dry_run: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """Remove dead letters that are old; return how many they were. Relays do it by themselves.

    Arguments:
        older_than: how long they have been dead, in seconds or as a ``timedelta``; None: ``RETENTION``.
        using: alias of the database; None: all that have an outbox.
        dry_run: only count.
        progress: is called with how many are through by now.

    Raises:
        ValueError: ``older_than`` is no duration, or the database has no outbox.
    """
    if older_than is None:
        age = conf.current().OUTBOX.RETENTION
    else:
        age = validated("purge(older_than=)", older_than, seconds, ValueError)
    found = 0
    for connection in connections_of(using):
        if dry_run:
            found += count_old(connection, age)
            continue
        is_last = False
        while not is_last:
            number, is_last = remove_old(connection, age)
            found += number
            progress(found)
    if found and not dry_run:
        log(logging.INFO, "%s dead letters were purged", found, extra=about("purged"))
    return found


def cancel(
    id_: str | UUID,
    *,
    force: bool = False,
    spare_dead: bool = False,
    using: str | None = None,
    user: Any = None,
) -> bool:
    """Remove a message that is not through, so that it does not run; return whether it was there.

    Arguments:
        id_: its id, as ``send()`` gave it.
        force: remove it also if a worker runs it now. That run goes on, and is the last one. With
            ``atomic=True`` its writes are rolled back.
        spare_dead: leave a dead letter alone, as if it were not there: `discard` is for those.
        using: alias of the database; None: all that have an outbox.
        user: who does it, for Django's admin log.

    Raises:
        ValueError: it is no id, or the database has no outbox.
        StillRuns: a worker runs it now.
    """
    id_ = checked_id(id_)
    for connection in connections_of(using):
        found = _cancelled(connection, id_, force=force, spare_dead=spare_dead)
        if found is not None:
            Noted("cancelled", user, removes=True).note([OutboxMessage(id=id_, receiver=found)])
            return True
    return False


def _cancelled(
    connection: BaseDatabaseWrapper, id_: str, *, force: bool, spare_dead: bool
) -> str | None:
    """Remove a row; return its receiver, or None if it is not there."""
    dialect = dialect_of(connection)
    living = " AND dead_at IS NULL" if spare_dead else ""
    unless = "" if force else " AND claimed_by IS NULL"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT receiver, order_key FROM {TABLE} WHERE id = %s{living}", [dialect.id(id_)]
        )
        found = cursor.fetchone()
        if found is None:
            return None
        receiver, order_key = found
        cursor.execute(f"DELETE FROM {TABLE} WHERE id = %s{unless}{living}", [dialect.id(id_)])
        if cursor.rowcount:
            if order_key is not None:
                hasten_next(connection, order_key)
            return str(receiver)
        cursor.execute(f"SELECT claimed_by FROM {TABLE} WHERE id = %s{living}", [dialect.id(id_)])
        still = cursor.fetchone()
    if still is None:  # its run has just ended
        return None
    raise StillRuns(
        f"The message {id_} for {receiver} is being run by {still[0] or 'a worker'}. Let it end, or "
        f"remove its row by force: the run goes on all the same, and is the last one."
    )


def _counted(which: Selection, using: str | None) -> int:
    return sum(count(connection, which) for connection in connections_of(using))


def _change_all(
    which: Selection,
    using: str | None,
    change: Callable[[BaseDatabaseWrapper, Sequence[Letter]], object],
    noted: Noted,
    progress: Callable[[int], object],
) -> int:
    found = 0
    for connection in connections_of(using):
        for letters in in_batches(connection, which, partial(change, connection)):
            noted.note([OutboxMessage(id=one.id, receiver=one.receiver) for one in letters])
            found += len(letters)
            progress(found)
    return found
