"""`coalesce=`: several sends of one transaction become one message.

The message is that of the last send, with its id and options, and tells what the sends before it
told as well. Which sends go together is said by a key, asked for at send; what survived until the
commit is merged then.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.db.models.signals import m2m_changed

from deferred_signals import conf
from deferred_signals.errors import InvalidReceiver
from deferred_signals.message.wire import pack
from deferred_signals.serialization import is_saved, merge_kwargs
from deferred_signals.support.asking import Raised, ask
from deferred_signals.support.json import size_of
from deferred_signals.support.telling import log

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from django.dispatch import Signal

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.receivers.registry import Receiver

__all__ = ["coalesced", "key_of"]


def key_of(receiver: Receiver, signal: Signal, sender: Any, kwargs: Mapping[str, Any]) -> Hashable:
    """What a send has in common with those that it may be merged with; None: it stays alone.

    Arguments:
        receiver: whose call is deferred. Calls of different receivers have different keys.
        signal: the signal that was sent. So have different signals.
        sender: its sender.
        kwargs: its other arguments.

    Raises:
        Raised: by ``coalesce=``, or since the key that it gave cannot be hashed.
    """
    coalesce = receiver.options.coalesce
    if coalesce is False:
        return None
    key = (
        _instance_key(signal, sender, kwargs) if coalesce is True else ask(coalesce, sender, kwargs)
    )
    try:
        hash(key)
    except TypeError:
        error = InvalidReceiver(
            f"coalesce= of {receiver.name!r} must give a key that can be hashed, or None where a "
            f"send is to stay alone, got {type(key).__name__}."
        )
        raise Raised(error) from None
    return None if key is None else (receiver.name, signal, key)


def _instance_key(signal: Signal, sender: Any, kwargs: Mapping[str, Any]) -> Hashable:
    instance = kwargs.get("instance")
    if not isinstance(instance, Model) or not is_saved(instance):
        return None
    key = (instance._meta.concrete_model, instance.pk, instance._state.db)
    if signal is m2m_changed:  # what was added is not what was removed, nor of another relation
        return (*key, sender, kwargs["action"], kwargs["reverse"])
    return key


def coalesced(batch: Sequence[Outgoing]) -> list[Outgoing]:
    """A batch in which messages of one key are merged into the last of them, at its place.

    Messages that would be too large together stay apart: a worker would refuse what they make.
    """
    groups: dict[Hashable, list[Outgoing]] = {}
    for outgoing in batch:
        key = object() if outgoing.coalesce_key is None else outgoing.coalesce_key
        group = groups.pop(key, [])
        group.append(outgoing)
        groups[key] = group
    return [outgoing for group in groups.values() for outgoing in _merged(group)]


def _merged(group: list[Outgoing]) -> list[Outgoing]:
    *_, last = group
    if len(group) == 1:
        return group
    try:
        kwargs = reduce(merge_kwargs, (outgoing.message.kwargs for outgoing in group))
        message = replace(last.message, kwargs=kwargs)
        payload = pack(message)
    except Exception as error:  # noqa: BLE001 - the transaction is committed: apart they lose nothing
        log(
            logging.WARNING,
            "%s messages for receiver %s could not be coalesced, and are published apart: %s",
            len(group),
            last.message.receiver,
            type(error).__name__,
        )
        return group
    if size_of(payload) > conf.current().MAX_MESSAGE_BYTES:
        return group
    return [last._replace(message=message, payload=payload)]
