"""Encode a send: its `Message`, with the payload, and how it is to be published."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError, DepthExceeded, InvalidReceiver
from deferred_signals.message import Message
from deferred_signals.message.context import taken
from deferred_signals.message.outgoing import Outgoing
from deferred_signals.message.wire import pack
from deferred_signals.receivers import registry
from deferred_signals.receivers.options import is_durable, valid
from deferred_signals.running.current import current_message
from deferred_signals.sending.coalesce import key_of
from deferred_signals.sending.commit import is_in_coroutine
from deferred_signals.sending.kwargs import encode_kwargs
from deferred_signals.sending.ordering import order_key_of
from deferred_signals.sending.refusals import refusal
from deferred_signals.sending.shrinking import shrunk
from deferred_signals.serialization import (
    CODEC,
    Snapshot,
    Unencodable,
    encode_sender,
    sender_value,
)
from deferred_signals.support.asking import Raised, ask
from deferred_signals.support.hints import nearest
from deferred_signals.support.ids import new_id
from deferred_signals.support.json import size_of
from deferred_signals.support.telling import is_telling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deferred_signals.conf import Settings
    from deferred_signals.receivers.options import Options
    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.sending.send import Send

__all__ = ["encode", "publish_options"]


def encode(send: Send) -> Outgoing:
    """Make the message of a send, write its payload, and find out how it is to be published.

    Raises:
        Raised: by the project's own callables; also where the caller is a coroutine.
        SerializationError: a value cannot travel, or must not.
        MessageTooLarge: the payload is larger than ``MAX_MESSAGE_BYTES``.
        DepthExceeded: the send comes from within too many deferrals.
        ConfigurationError: the settings or the database's alias are wrong.
    """
    receiver, signal, entry, sender, kwargs, _changes = send
    if is_in_coroutine():
        raise Raised(
            SynchronousOnlyOperation(
                f"send() was called in a coroutine, and {receiver.name!r} is deferred: "
                f"use `await signal.asend(...)` there."
            )
        )
    settings = conf.current()
    using, context = _alias(receiver, kwargs), taken(settings)
    encoded = encode_kwargs(send, settings)
    message = Message(
        id=new_id(),
        receiver=receiver.name,
        signal=registry.name_of_signal(receiver, signal),
        sender=_encode_sender(send),
        kwargs=encoded.forms,
        using=using,
        sent_at=datetime.now(UTC),
        depth=_depth(receiver, settings),
        version=receiver.options.version,
        context={**context},
    )
    payload = pack(message, encoded.text)
    if (excess := size_of(payload) - settings.MAX_MESSAGE_BYTES) > 0:
        message = shrunk(message, entry, excess)
        payload = pack(message)
    durable = not entry.immediate and is_durable(receiver.options)
    return Outgoing(
        message,
        payload,
        publish_options(receiver.options, sender, kwargs, settings),
        key_of(receiver, signal, sender, kwargs),
        quiet=is_telling(),
        durable=durable,
        order_key=order_key_of(receiver, sender, kwargs) if durable else None,
    )


def _alias(receiver: Receiver, kwargs: Mapping[str, Any]) -> str:
    """Return whose commit is waited for: the option's, the signal's, the instance's, or the default."""
    alias = receiver.options.using or kwargs.get("using")
    if not isinstance(alias, str):
        instance = kwargs.get("instance")
        alias = (isinstance(instance, Model) and instance._state.db) or DEFAULT_DB_ALIAS
    if alias not in connections:
        raise ConfigurationError(
            f"The deferred receiver {receiver.name!r} waits for a commit on database {alias!r}, "
            f"which is not in DATABASES. {nearest(alias, connections)}"
        )
    return alias


def _encode_sender(send: Send) -> Any:
    """Encode the sender.

    Raises:
        SerializationError: another process could not find the sender again.
    """
    sender, options = send.sender, send.receiver.options
    try:
        if isinstance(sender, type):
            return _encode_class(sender)
        value = sender_value(sender)
        if "sender" in options.snapshot_names and isinstance(value, Model):
            value = Snapshot(value, "saved", options.exclude_fields)
        return encode_sender(send.receiver.codec, value)
    except Unencodable as error:
        raise refusal(send, "sender", error) from None


@lru_cache(maxsize=1024)
def _encode_class(sender: type) -> Any:
    """Encode a class, which most senders are, and look for it among the modules once."""
    return encode_sender(CODEC, sender_value(sender))


def _depth(receiver: Receiver, settings: Settings) -> int:
    """Count the deferrals that led to this send."""
    current = current_message()
    if current is None:
        return 0
    depth = current.depth + 1
    if depth > settings.MAX_DEPTH:
        raise DepthExceeded(
            f"{receiver.name!r} was deferred from within {depth} deferrals, more than MAX_DEPTH. "
            f"Does {current.receiver!r} send, or save, what it listens to? Hold it back with when=."
        )
    return depth


def publish_options(
    options: Options, sender: Any, kwargs: Mapping[str, Any], settings: Settings
) -> dict[str, Any]:
    """Find out what ``apply_async`` is told about a message of these values.

    Raises:
        Raised: by an option that is a callable, or since the callable's value does not fit.
    """
    queue = settings.QUEUE
    if queue is None and not options.publish_callables:
        return options.publish_values  # one dict for all messages, and nobody writes into it
    found = {} if queue is None else {"queue": queue}
    found |= options.publish_values
    for name, call in options.publish_callables.items():
        value = _validated(name, ask(call, sender, kwargs))
        if value is not None:
            found[name] = value
    return found


def _validated(name: str, value: object) -> Any:
    try:
        return valid(name, value)
    except InvalidReceiver as error:  # as if the callable itself had raised
        raise Raised(error) from None
