"""Write durable messages as rows, and say how each is to be woken up."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from deferred_signals import conf, events
from deferred_signals.message.description import describe_kwargs, first_row
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.message.wire import unsigned
from deferred_signals.outbox.rows import PARAMETERS, Row, insert
from deferred_signals.publishing.waking import Waking
from deferred_signals.receivers import registry
from deferred_signals.support.json import size_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.outgoing import Outgoing

__all__ = ["OWN_COLUMNS", "write"]

#: What one INSERT holds at most. More is written by several, in the same transaction: a server refuses a
#: statement that is too large, and with it the whole transaction.
MOST_ROWS, MOST_BYTES = 500, 1024 * 1024

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
    for part in _parts(connection, batch):
        rows = [_row(outgoing, next(places)) for outgoing in part]
        at = insert(connection, rows, lease)
        for outgoing, row in zip(part, rows, strict=True):
            if row.countdown is None:
                wake_up = WakeUp(connection.alias, row.id, 0, at)
                wakings[row.id] = _waking(outgoing, wake_up)
    return wakings


def _parts(connection: BaseDatabaseWrapper, batch: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """Cut a batch into what one statement may hold; a message that is larger goes alone."""
    most = MOST_ROWS
    if connection.features.max_query_params:
        # One more stands behind the rows, for the time.
        most = max(1, min(most, (connection.features.max_query_params - 1) // PARAMETERS))
    part: list[Outgoing] = []
    size = 0
    for outgoing in batch:
        more = size_of(outgoing.payload)
        if part and (len(part) == most or size + more > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(outgoing)
        size += more
    if part:
        yield part


def _row(outgoing: Outgoing, position: int) -> Row:
    message, options = outgoing.message, outgoing.options
    return Row(
        message.id,
        position,
        message.receiver,
        first_row(message.kwargs, message.sender)[:255],
        unsigned(outgoing.payload),
        _own(message.receiver, options),
        options.get("countdown") or None,
        options.get("expires"),
        outgoing.order_key,
    )


def _own(name: str, options: dict[str, Any]) -> str:
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


def _waking(outgoing: Outgoing, wake_up: WakeUp) -> Waking:
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
        sys.intern(describe_kwargs(message.kwargs, message.sender)),
        options,
        message if is_heard else None,
    )
