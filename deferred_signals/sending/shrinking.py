"""Messages that are too large: refused, but for those of deletes, which lose fields instead.

A delete must not fail for what it tells of, nor the delete of a parent for what a child holds.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from deferred_signals import conf
from deferred_signals.errors import MessageTooLarge
from deferred_signals.receivers import extractors
from deferred_signals.sending.encode import Written
from deferred_signals.support.json import size_of, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.receivers.catalogue import Entry
    from deferred_signals.receivers.registry import Receiver

__all__ = ["shrunk"]

logger = logging.getLogger("deferred_signals")


def shrunk(receiver: Receiver, entry: Entry, written: Written, excess: int) -> Written:
    """Leave out fields of a deleted row, the largest first, until the message fits.

    Arguments:
        receiver: whose message it is.
        entry: what the catalogue says of the signal.
        written: the kwargs.
        excess: bytes that the message has too many.

    Raises:
        MessageTooLarge: it tells of no delete, or there are no fields that could be left out.
    """
    fields = list(_fields(list(written.forms.values()))) if _tells_of_delete(entry) else []
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
            f"The message for {receiver.name!r} has {most + excess} bytes, and MAX_MESSAGE_BYTES is "
            f"{most}. Send a key and read the rest in the receiver, or leave out kwargs with exclude=, "
            f"and fields of snapshots with exclude_fields=."
        )
    logger.warning(
        "The message for receiver %s tells of a deleted row that is larger than MAX_MESSAGE_BYTES, and "
        "goes without its fields %s. Name them in exclude_fields= if no receiver needs them.",
        receiver.name,
        ", ".join(left_out),
        extra={"receiver": receiver.name},
    )
    return Written(written.forms, to_json(written.forms))


def _tells_of_delete(entry: Entry) -> bool:
    return entry.extract is extractors.deleted


def _fields(form: Any) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """Give the fields of the rows in a form: what they take, model, name, and where they stand."""
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
