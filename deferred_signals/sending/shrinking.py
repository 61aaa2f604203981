"""Messages that are too large: refused, but those of deletes lose fields instead.

A delete must not fail for what its message tells, nor the delete of a parent for what a child holds.
"""

from __future__ import annotations

import logging
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deferred_signals import conf
from deferred_signals.errors import MessageTooLarge
from deferred_signals.receivers import extractors
from deferred_signals.support.json import size_of, to_json
from deferred_signals.support.records import about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.message import Message
    from deferred_signals.receivers.catalogue import Entry

__all__ = ["shrunk"]

logger = logging.getLogger("deferred_signals")


def shrunk(message: Message, entry: Entry, excess: int) -> Message:
    """Leave out fields of a deleted row, the largest first, until the message fits.

    Arguments:
        message: the message.
        entry: what the catalogue says of its signal.
        excess: bytes that the message has too many.

    Raises:
        MessageTooLarge: the message tells of no delete, or has too few fields that could be left out.
    """
    kwargs = deepcopy(message.kwargs)
    fields = list(_fields(list(kwargs.values()))) if _tells_of_delete(entry) else []
    left_out: list[str] = []
    for size, label, name, row in sorted(fields, key=lambda field: field[0], reverse=True):
        if excess <= 0:
            break
        del row[name]
        left_out.append(f"{label}.{name}")
        excess -= size
    if excess > 0:
        most = conf.current().MAX_MESSAGE_BYTES
        raise MessageTooLarge(
            f"The message for {message.receiver!r} has {most + excess} bytes, and MAX_MESSAGE_BYTES is "
            f"{most}. Send a key and read the rest in the receiver, or leave out kwargs with exclude=, "
            f"and fields of snapshots with exclude_fields=."
        )
    logger.warning(
        "The message for receiver %s tells of a deleted row that is larger than MAX_MESSAGE_BYTES, and "
        "goes without its fields %s. Name them in exclude_fields= if no receiver needs them.",
        message.receiver,
        ", ".join(left_out),
        extra=about("left_out", receiver=message.receiver, message_id=message.id),
    )
    return replace(message, kwargs=kwargs)


def _tells_of_delete(entry: Entry) -> bool:
    return entry.extract is extractors.deleted


def _fields(form: Any) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """Give the fields of the rows in a form: size, model, name, and the dict that holds the field."""
    if type(form) is list:
        for item in form:
            yield from _fields(item)
    elif type(form) is dict and "$row" in form:
        label, _, _, fields = form["$row"]
        for name, value in fields.items():
            # With quotes, colon and comma; never too much, lest one field too few is left out.
            yield size_of(to_json(value)) + len(name) + 4, label, name, fields
    elif type(form) is dict:
        for item in form.values():
            yield from _fields(item)
