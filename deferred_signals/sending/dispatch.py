"""What happens inside ``send()`` for a deferred receiver: ask, encode, defer to the commit."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model
from django.db.models.signals import ModelSignal, m2m_changed

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError, DepthExceeded, InvalidReceiver
from deferred_signals.message import write
from deferred_signals.message.context import taken
from deferred_signals.message.outgoing import Outgoing
from deferred_signals.message.wire import signed
from deferred_signals.receivers import registry
from deferred_signals.receivers.conditions import Changed, changes_for
from deferred_signals.receivers.muting import is_muted
from deferred_signals.receivers.options import valid
from deferred_signals.running.current import current_message
from deferred_signals.running.watching import watches
from deferred_signals.sending.cleared import note_cleared, with_cleared
from deferred_signals.sending.coalesce import key_of
from deferred_signals.sending.commit import defer
from deferred_signals.sending.describing import describe_sent
from deferred_signals.sending.encode import write_kwargs, write_sender
from deferred_signals.sending.fixtures import is_from_fixture
from deferred_signals.sending.shrinking import shrunk
from deferred_signals.sending.undeferred import is_for_sender, report_undeferred
from deferred_signals.support.asking import Raised, ask
from deferred_signals.support.ids import new_id
from deferred_signals.support.json import size_of, to_json
from deferred_signals.support.telling import is_telling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.dispatch import Signal

    from deferred_signals.conf import Settings
    from deferred_signals.receivers.catalogue import Entry
    from deferred_signals.receivers.conditions import Changes
    from deferred_signals.receivers.options import Options
    from deferred_signals.receivers.registry import Receiver

__all__ = ["Deferred", "dispatch", "publish_options"]


@dataclass(frozen=True, slots=True)
class Deferred:
    """What ``send()`` gives for a deferred receiver.

    Attributes:
        id: the message's id, through all its attempts. Sends that ``coalesce`` made one leave
            the last one's id.
        receiver: the receiver's name.
    """

    id: str
    receiver: str


def dispatch(
    receiver: Receiver, signal: Signal, entry: Entry, sender: Any, kwargs: dict[str, Any]
) -> Deferred | None:
    """Defer one call of a receiver; None where the receiver's options hold it back.

    Arguments:
        receiver: whose call.
        signal: the signal that was sent.
        entry: what the catalogue says of it.
        sender: its sender.
        kwargs: its other arguments.

    Raises:
        SerializationError, MessageTooLarge, DepthExceeded: for senders of the project's own signals.
        SynchronousOnlyOperation: in a coroutine Django shows another connection than the sender's.
        TransactionManagementError: there is no transaction that could be followed.
        Exception: what the project's own callables raise; in tests, whatever keeps the call from
            being deferred.
    """
    try:
        outgoing = _outgoing(receiver, signal, entry, sender, kwargs)
    except Raised as raised:
        theirs = raised.error
    except Exception as error:
        if is_for_sender(signal, error):
            raise
        report_undeferred(receiver.name, signal, error)
        return None
    else:
        if outgoing is None:
            return None
        for watch in watches:
            watch.sent(outgoing.id, receiver, signal, sender, kwargs)
        defer(outgoing, immediate=entry.immediate)
        return Deferred(outgoing.id, receiver.name)
    raise theirs


def _outgoing(
    receiver: Receiver, signal: Signal, entry: Entry, sender: Any, kwargs: dict[str, Any]
) -> Outgoing | None:
    """The message of a send; None where it is held back.

    Raises:
        Raised: by the project's own callables, and in a coroutine.
        Exception: the call cannot be deferred.
    """
    options = receiver.options
    changes = changes_for(receiver, kwargs)
    if is_muted(receiver, signal) or not _wanted(receiver, signal, sender, kwargs, changes):
        return None
    _refuse_coroutines(receiver)
    settings = conf.current()
    using = _alias(receiver, kwargs)
    id_, context = new_id(), taken(settings)
    sent = kwargs
    if signal is m2m_changed and kwargs.get("action") == "post_clear":
        sent = with_cleared(receiver.name, sender, kwargs)
    written = write_kwargs(receiver, signal, entry, sender, sent, changes, settings)
    written_sender = write_sender(receiver, signal, sender)
    write_with = partial(
        write,
        id=id_,
        receiver=receiver.name,
        signal=registry.name_of_signal(receiver, signal),
        sender=written_sender,
        using=using,
        sent_at=time.time(),
        depth=_depth(receiver, settings),
        version=options.version,
        context=to_json(context) if context else "{}",
    )
    wire = signed(write_with(kwargs=written.text), settings)
    if (excess := size_of(wire) - settings.MAX_MESSAGE_BYTES) > 0:
        written = shrunk(receiver, entry, written, excess)
        wire = signed(write_with(kwargs=written.text), settings)
    return Outgoing(
        id_,
        receiver.name,
        using,
        describe_sent(written, written_sender),
        wire,
        publish_options(options, sender, kwargs, settings),
        key_of(receiver, signal, sender, kwargs),
        quiet=is_telling(),
    )


def _wanted(
    receiver: Receiver, signal: Signal, sender: Any, kwargs: dict[str, Any], changes: Changes
) -> bool:
    options = receiver.options
    if isinstance(signal, ModelSignal) and not options.raw and is_from_fixture(signal, kwargs):
        return False
    if signal is m2m_changed:
        action = kwargs.get("action")
        if action == "pre_clear" and "post_clear" in options.actions:
            # Whether the clear itself is wanted, which is sent next.
            later = {**kwargs, "action": "post_clear"}
            if options.when is None or ask(options.when, sender, later):
                note_cleared(receiver.name, sender, kwargs)
        if action not in options.actions:
            return False
    if isinstance(options.when, Changed):
        return bool(changes)
    return options.when is None or bool(ask(options.when, sender, kwargs))


def _refuse_coroutines(receiver: Receiver) -> None:
    """In a coroutine Django shows another connection, so the transaction cannot be seen."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if not os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        raise Raised(
            SynchronousOnlyOperation(
                f"send() was called in a coroutine, and {receiver.name!r} is deferred: "
                f"use `await signal.asend(...)` there."
            )
        )


def _alias(receiver: Receiver, kwargs: Mapping[str, Any]) -> str:
    """Whose commit is waited for: the option's, the signal's, the instance's, or the default."""
    alias = receiver.options.using or kwargs.get("using")
    if not isinstance(alias, str):
        instance = kwargs.get("instance")
        alias = (isinstance(instance, Model) and instance._state.db) or DEFAULT_DB_ALIAS
    if alias not in connections:
        raise ConfigurationError(
            f"The deferred receiver {receiver.name!r} waits for a commit on database {alias!r}, "
            f"which is not in DATABASES. {conf.nearest(alias, connections)}"
        )
    return alias


def _depth(receiver: Receiver, settings: Settings) -> int:
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
    """What ``apply_async`` is told about a message of these values.

    Raises:
        Raised: by an option that is a callable, or since it gave what makes no sense.
    """
    queue = settings.QUEUE
    if queue is None and not options.publish_callables:
        return options.publish_values  # for all messages the same, and nobody writes into it
    found = {} if queue is None else {"queue": queue}
    found |= options.publish_values
    for name, call in options.publish_callables.items():
        value = _ruled(name, ask(call, sender, kwargs))
        if value is not None:
            found[name] = value
    return found


def _ruled(name: str, value: object) -> Any:
    try:
        return valid(name, value)
    except InvalidReceiver as error:  # the callable is to be mended, as if it had raised
        raise Raised(error) from None
