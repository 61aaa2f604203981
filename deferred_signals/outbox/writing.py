"""Write durable messages as rows, and say how each is to be woken up."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from django.db import transaction

from deferred_signals import conf, events
from deferred_signals.message.description import described
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.message.wire import unsigned
from deferred_signals.outbox.rows import PARAMETERS, Row, insert, put
from deferred_signals.publishing.waking import Waking
from deferred_signals.receivers import registry
from deferred_signals.sending.ordering import hash_of
from deferred_signals.support.json import size_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message import Message
    from deferred_signals.message.outgoing import Outgoing

__all__ = ["OWN_COLUMNS", "own_options", "parts", "subject_of", "write"]

#: What one INSERT holds at most. More is written by several, in the same transaction: a server refuses a
#: statement that is too large, and with it the whole transaction.
MOST_ROWS, MOST_BYTES = 500, 1024 * 1024

#: Characters that the column of subjects takes.
LONGEST_SUBJECT = 255

#: Options of ``apply_async`` that are columns of the row, and are not told to Celery.
OWN_COLUMNS = ("countdown", "expires")


def write(
    connection: BaseDatabaseWrapper,
    batch: Sequence[Outgoing],
    positions: Sequence[int] | None = None,
) -> dict[str, Waking]:
    """Write the rows of messages; return what is to be published after the commit, by the messages' ids.

    Arguments:
        connection: of the messages' database.
        batch: the messages.
        positions: the place of each in its transaction; None where they are all of it.

    Raises:
        django.db.Error: the database does not take them.
    """
    lease = conf.current().OUTBOX.LEASE
    places = iter(range(len(batch)) if positions is None else positions)
    wakings: dict[str, Waking] = {}
    for part in parts(connection, batch, PARAMETERS):
        rows = [(*_described_row(outgoing, next(places)), outgoing) for outgoing in part]
        _put_again(connection, [row for row, _, outgoing in rows if outgoing.again])
        new = [row for row, _, outgoing in rows if not outgoing.again]
        at = insert(connection, new, lease) if new else 0.0
        for row, description, outgoing in rows:
            if row.countdown is None and not outgoing.again:
                wake_up = WakeUp(connection.alias, row.id, 0, at)
                wakings[row.id] = _waking(outgoing, wake_up, description)
    return wakings


def _put_again(connection: BaseDatabaseWrapper, rows: Sequence[Row]) -> None:
    """Write the rows of messages that were sent before; a relay wakes them up."""
    if not rows:
        return
    is_alone = connection.get_autocommit()
    with transaction.atomic(using=connection.alias) if is_alone else nullcontext():
        put(connection, [row._replace(countdown=row.countdown or 0.0) for row in rows])


class _HasPayload(Protocol):
    """What has the text of a message."""

    @property
    def payload(self) -> str: ...


Item = TypeVar("Item", bound=_HasPayload)


def parts(
    connection: BaseDatabaseWrapper, batch: Sequence[Item], parameters: int
) -> Iterator[list[Item]]:
    """Cut a batch into what one statement may hold; a message that is larger goes alone.

    Arguments:
        connection: of the messages' database.
        batch: the messages.
        parameters: those of one row, at most.
    """
    most = MOST_ROWS
    if connection.features.max_query_params:
        # One more stands behind the rows, for the time.
        most = max(1, min(most, (connection.features.max_query_params - 1) // parameters))
    part: list[Item] = []
    size = 0
    for item in batch:
        more = size_of(item.payload)
        if part and (len(part) == most or size + more > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += more
    if part:
        yield part


def subject_of(message: Message) -> str:
    """Return label and key of the first row that a message refers to, as long as the column takes them."""
    return described(message.kwargs, message.sender).first_row[:LONGEST_SUBJECT]


def _described_row(outgoing: Outgoing, position: int) -> tuple[Row, str]:
    message, options = outgoing.message, outgoing.options
    text, subject = described(message.kwargs, message.sender)
    row = Row(
        message.id,
        position,
        message.receiver,
        subject[:LONGEST_SUBJECT],
        unsigned(outgoing.payload),
        own_options(message.receiver, options),
        options.get("countdown") or None,
        options.get("expires"),
        None if outgoing.order_key is None else hash_of(outgoing.order_key),
    )
    return row, text


def own_options(name: str, options: dict[str, Any]) -> str:
    """Write, as JSON, the options of one message that are not its receiver's own."""
    receiver = registry.find(name)
    usual = {} if receiver is None else receiver.options.publish_values
    if options is usual:
        return ""
    own = {
        key: value
        for key, value in options.items()
        if key not in OWN_COLUMNS and (key not in usual or usual[key] != value)
    }
    return json.dumps(own) if own else ""


def _waking(outgoing: Outgoing, wake_up: WakeUp, description: str) -> Waking:
    message, options = outgoing.message, outgoing.options
    if not options.keys().isdisjoint(OWN_COLUMNS):
        options = {key: value for key, value in options.items() if key not in OWN_COLUMNS}
    is_heard = not outgoing.quiet and events.message_published.has_listeners(message.receiver)
    return Waking(
        message.receiver,
        message.id,
        0,
        wake_up.to_wire(),
        # One text for the messages that are described alike: a transaction may have thousands.
        sys.intern(description),
        options,
        message if is_heard else None,
    )
