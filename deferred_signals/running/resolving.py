"""Resolve: make the kwargs of a receiver's call out of a message, with rows for its references."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.db.models.signals import ModelSignal

from deferred_signals.receivers import registry
from deferred_signals.serialization import (
    MissingRelation,
    MissingRow,
    Reference,
    complete,
    decode_call,
    references,
    waiting,
)

if TYPE_CHECKING:
    from django.dispatch import Signal

    from deferred_signals.message import Message
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["Fetch", "Gone", "resolve"]

#: Fetches the row of a reference, or raises `MissingRow`.
Fetch = Callable[[Reference], Model]


class Gone(Exception):
    """A row that the message refers to is gone.

    Attributes:
        error: says which row.
        is_instance: whether the row is the ``instance`` of a model signal, or a relation of it.
    """

    def __init__(self, error: Exception, *, is_instance: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.is_instance = is_instance


def resolve(receiver: Receiver, message: Message, fetch: Fetch) -> dict[str, Any]:
    """Make the kwargs of the call: decode them, fetch the rows that they refer to, upgrade them.

    Arguments:
        receiver: the message's receiver.
        message: the message.
        fetch: fetches the row of a reference.

    Raises:
        NotKnownHere: the message refers to something that this process does not know.
        DecodeError: a value is malformed.
        Gone: a row no longer exists.
        Exception: whatever the database, or the receiver's ``upgrade``, raises.
    """
    signal = registry.find_signal(receiver, message.signal)
    kwargs = decode_call(receiver.codec, message.kwargs, message.sender)
    if incomplete := waiting(kwargs):
        rows = _fetched(signal, incomplete, fetch)
        try:
            kwargs |= complete(incomplete, rows)
        except MissingRelation as error:
            raise Gone(error, is_instance=True) from error
    upgrade = receiver.options.upgrade
    if upgrade is not None and message.version < receiver.options.version:
        sender = kwargs.pop("sender")
        kwargs = {**upgrade(message.version, kwargs), "sender": sender}
    kwargs["signal"] = signal
    return kwargs


def _fetched(signal: Signal, decoded: dict[str, Any], fetch: Fetch) -> dict[Reference, Model]:
    """Fetch the rows that decoded kwargs refer to, each once."""
    rows = {}
    for name, value in decoded.items():
        for reference in references(value):
            if reference not in rows:
                try:
                    rows[reference] = fetch(reference)
                except MissingRow as error:
                    is_instance = name == "instance" and isinstance(signal, ModelSignal)
                    raise Gone(error, is_instance=is_instance) from error
    return rows
