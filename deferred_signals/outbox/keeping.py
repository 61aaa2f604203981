"""Keep messages of commit delivery as rows: what could not be published, long waits, dead letters.

From then on they are durable messages: woken up by relays, claimed, and charged exactly. Nobody asks any
more whether their receivers are durable.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from deferred_signals import conf
from deferred_signals.message.wire import unsigned
from deferred_signals.outbox.changing import in_transaction
from deferred_signals.outbox.failures import told
from deferred_signals.outbox.rows import PARAMETERS, Row, put
from deferred_signals.outbox.store import OneUse
from deferred_signals.outbox.writing import own_options, parts, subject_of
from deferred_signals.support.records import about
from deferred_signals.support.telling import is_interruption, log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message import Message
    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.outbox.store import Lender
    from deferred_signals.worker.rows import Kept

__all__ = ["bury", "keep", "keep_waiting", "spill"]


def spill(batch: Sequence[Outgoing]) -> dict[str, Exception]:
    """Keep messages that could not be published; return the ids of those that cannot be kept, and why.

    Opens one connection, and closes it.

    Raises:
        Exception: no database takes them.
    """
    rows: list[Row] = []
    refused: dict[str, Exception] = {}
    for message, payload, options, *_ in batch:
        try:
            rows.append(_row(message, unsigned(payload), options))
        except (TypeError, ValueError) as error:  # an option is no JSON, or the id is none of ours
            refused[message.id] = error
    if rows:
        keep(OneUse(), rows)
    return refused


def keep_waiting(store: Lender, kept: Sequence[Kept]) -> None:
    """Keep messages until they are due.

    Raises:
        Exception: no database takes them, or one cannot be kept.
    """
    keep(store, [_row_of(one) for one in kept], tries=2)


def bury(store: Lender, kept: Sequence[Kept]) -> None:
    """Leave the dead letters of messages that were given up; log what cannot be written."""
    for one in kept:
        try:
            keep(store, [_dead(one)], tries=2)
        except Exception as error:  # noqa: BLE001 - a soft time limit too: the run is over
            log(
                logging.ERROR,
                "No dead letter of message %s for receiver %s could be written (%s: %s)",
                one.message.id,
                one.message.describe(),
                type(error).__name__,
                error,
                extra=about("not_buried", receiver=one.message.receiver, message_id=one.message.id),
            )


def _dead(one: Kept) -> Row:
    try:
        row = _row_of(one)
    except TypeError:  # a header that is no JSON
        row = _row_of(one._replace(options={}))
    return row._replace(is_dead=True)


def _row_of(one: Kept) -> Row:
    row = _row(one.message, one.message.to_wire(), one.options)
    error = "" if one.error is None else told("", one.error)
    return row._replace(attempt=one.runs, error=error)


def _row(message: Message, payload: str, options: dict[str, Any]) -> Row:
    """Make the row of a message that waits for its next run.

    Raises:
        TypeError: an option is no JSON.
        ValueError: the message's id is none of ours.
    """
    if str(UUID(message.id)) != message.id:
        raise ValueError(f"{message.id!r} is no id of a row")
    return Row(
        message.id,
        0,
        message.receiver,
        subject_of(message),
        payload,
        own_options(message.receiver, options),
        options.get("countdown") or 0.0,
        options.get("expires"),
        attempt=message.attempt - 1,
        age=max(0.0, message.age(datetime.now(UTC))),
    )


def keep(store: Lender, rows: Sequence[Row], tries: int = 1) -> None:
    """Write rows to the first database of the outbox that can be reached, all or none of them.

    Arguments:
        store: lends connections.
        rows: the rows.
        tries: how often each database is tried: a connection that was used before may be broken.

    Raises:
        Exception: no database takes them.
    """
    failure: Exception | None = None
    for alias in conf.current().OUTBOX.DATABASES:
        attempt = _Write(store, alias, rows)
        while attempt.count < tries or (attempt.is_in_doubt and attempt.count <= tries):
            try:
                attempt.make()
            except Exception as error:
                if is_interruption(error):
                    raise
                failure = error
            else:
                return
        if attempt.is_in_doubt:  # another database might have the rows a second time
            break
    assert failure is not None  # noqa: S101 - there is a database, and it has failed
    raise failure


class _Write:
    """The writing of rows to one database.

    Attributes:
        count: how often it was tried.
        is_in_doubt: the COMMIT has failed, and may have been done.
    """

    def __init__(self, store: Lender, alias: str, rows: Sequence[Row]) -> None:
        self.count = 0
        self.is_in_doubt = False
        self._store = store
        self._alias = alias
        self._rows = rows

    def make(self) -> None:
        """Write the rows, in one transaction; those that are there already stay as they are.

        Raises:
            Exception: the database does not take them.
        """
        self.count += 1
        with self._store.connection(self._alias) as connection:
            with in_transaction(connection):
                for part in parts(connection, self._rows, PARAMETERS + 1):
                    put(connection, part)
                self.is_in_doubt = True
            self.is_in_doubt = False
