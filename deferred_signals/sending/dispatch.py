"""What happens inside ``send()`` for a deferred receiver: its call is encoded, and deferred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models.signals import ModelSignal, m2m_changed

from deferred_signals.receivers.conditions import Changed, changes_for
from deferred_signals.receivers.muting import is_muted
from deferred_signals.running.watching import watches
from deferred_signals.sending.cleared import note_cleared
from deferred_signals.sending.commit import defer, way_of
from deferred_signals.sending.encode import encode
from deferred_signals.sending.fixtures import is_from_fixture
from deferred_signals.sending.send import Send
from deferred_signals.sending.undeferred import is_for_sender, report_undeferred
from deferred_signals.support.asking import Raised, ask

if TYPE_CHECKING:
    from django.dispatch import Signal

    from deferred_signals.receivers.catalogue import Entry
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["Deferred", "dispatch"]


@dataclass(frozen=True, slots=True)
class Deferred:
    """What ``send()`` returns for a deferred receiver.

    Attributes:
        id: the message's id, through all its attempts. Of sends that ``coalesce`` made one message,
            the last one's id stays.
        receiver: the receiver's name.
    """

    id: str
    receiver: str


def dispatch(
    receiver: Receiver, signal: Signal, entry: Entry, sender: Any, kwargs: dict[str, Any]
) -> Deferred | None:
    """Defer one call of a receiver; None where the receiver's options hold the call back.

    Arguments:
        receiver: whose call.
        signal: the signal that was sent.
        entry: what the catalogue says of the signal.
        sender: the signal's sender.
        kwargs: the other arguments of ``send()``.

    Raises:
        SerializationError, MessageTooLarge, DepthExceeded: for senders of the project's own signals.
        SynchronousOnlyOperation: the caller is a coroutine, where Django shows another connection
            than the sender's.
        TransactionManagementError: there is no transaction that could be followed.
        ConfigurationError: nothing keeps a durable message, of a signal of the project's own.
        django.db.Error: the row of a durable message cannot be written.
        Exception: what the project's own callables raise; in tests, whatever keeps the call from
            being deferred.
    """
    try:
        send = Send(receiver, signal, entry, sender, kwargs, changes_for(receiver, kwargs))
        if not _is_wanted(send):
            return None
        outgoing = encode(send)
        way = way_of(outgoing)
    except Raised as raised:
        theirs = raised.error
    except Exception as error:
        if is_for_sender(signal, error):
            raise
        report_undeferred(receiver.name, signal, error)
        return None
    else:
        id_ = outgoing.message.id
        for watch in watches:
            watch.sent(id_, receiver, signal, sender, kwargs)
        defer(outgoing, way, immediate=entry.immediate)
        return Deferred(id_, receiver.name)
    raise theirs  # outside the handler, so that the sender's traceback shows no error of ours


def _is_wanted(send: Send) -> bool:
    """Return whether a call is to be deferred at all, by ``muted()`` and the receiver's options.

    Raises:
        Raised: by ``when=``.
    """
    receiver, signal, _entry, sender, kwargs, changes = send
    options = receiver.options
    if is_muted(receiver, signal):
        return False
    if isinstance(signal, ModelSignal) and not options.raw and is_from_fixture(signal, kwargs):
        return False
    if signal is m2m_changed:
        action = kwargs.get("action")
        if action == "pre_clear" and "post_clear" in options.actions:
            _note_keys_to_clear(send)
        if action not in options.actions:
            return False
    if isinstance(options.when, Changed):
        return bool(changes)
    return options.when is None or bool(ask(options.when, sender, kwargs))


def _note_keys_to_clear(send: Send) -> None:
    """Note which keys a clear is about to remove, where its ``post_clear`` will be wanted."""
    when = send.receiver.options.when
    after = {**send.kwargs, "action": "post_clear"}
    if when is None or ask(when, send.sender, after):
        note_cleared(send.receiver.name, send.sender, send.kwargs)
