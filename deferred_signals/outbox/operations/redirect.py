"""Send dead letters of one receiver to another one of the same signal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.errors import DecodeError
from deferred_signals.message import Message
from deferred_signals.outbox.operations.letters import payloads_of
from deferred_signals.outbox.rows import PARAMETERS, Row, insert
from deferred_signals.outbox.writing import parts, subject_of
from deferred_signals.receivers import registry
from deferred_signals.receivers.naming import needed_by
from deferred_signals.support.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.dispatch import Signal

    from deferred_signals.outbox.operations.letters import Letter
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["CannotRedirect", "copy_to"]

#: What every receiver is called with beside the kwargs.
_ALWAYS = frozenset({"sender", "signal"})


class CannotRedirect(ValueError):
    """A dead letter does not fit the receiver that it is to be sent to."""


def copy_to(connection: BaseDatabaseWrapper, letters: Sequence[Letter], receiver: Receiver) -> None:
    """Write a new message to a receiver for each dead letter, due at once.

    The letters stay dead. The new messages have ids of their own, since theirs are still in use.

    Arguments:
        connection: of the letters' database, in a transaction.
        letters: the letters.
        receiver: the other receiver.

    Raises:
        CannotRedirect: one of them does not fit; none of them is written then.
    """
    payloads = payloads_of(connection, letters)
    messages = [_redirected(letter, payloads[letter.id], receiver) for letter in letters]
    rows = [_row(message, place) for place, message in enumerate(messages)]
    for part in parts(connection, rows, PARAMETERS):
        insert(connection, part, conf.current().OUTBOX.LEASE)


def _row(message: Message, position: int) -> Row:
    return Row(
        message.id,
        position,
        message.receiver,
        subject_of(message),
        message.to_wire(),
        options="",
        countdown=0.0,
        expires=None,
    )


def _redirected(letter: Letter, payload: str, receiver: Receiver) -> Message:
    refused = f"The dead letter {letter.id} of {letter.receiver!r} cannot go to {receiver.name!r}"
    try:
        message = Message.from_wire(payload)
        signal = _signal_of(message, receiver)
    except DecodeError as error:
        raise CannotRedirect(f"{refused}: {error}") from error
    if signal is None:
        raise CannotRedirect(f"{refused}, which does not listen to {message.signal}.")
    needed = [name for name in needed_by(receiver.function) if name not in _ALWAYS]
    missing = [name for name in needed if name not in message.kwargs]
    if missing and receiver.options.capture is None:
        raise CannotRedirect(
            f"{refused}, which needs {', '.join(map(repr, missing))}: the letter has "
            f"{', '.join(map(repr, sorted(message.kwargs))) or 'no kwargs'}."
        )
    return replace(
        message,
        id=new_id(),
        receiver=receiver.name,
        signal=registry.name_of_signal(receiver, signal),
        version=receiver.options.version,
        sent_at=datetime.now(UTC),
        attempt=1,
        redeliveries=0,
    )


def _signal_of(message: Message, receiver: Receiver) -> Signal | None:
    """Find the signal of a message among those that another receiver listens to."""
    sent_to = registry.find(message.receiver)
    signal = None if sent_to is None else registry.find_signal(sent_to, message.signal)
    for own in receiver.signals:
        if own is signal or registry.path_of(own) == message.signal:
            return own
    return None
