"""Coalesce: make one message of several sends of one transaction, by ``coalesce=``.

The message is that of the last send, with its id and options. It also tells what the sends before
it told. Sends of equal keys go together; the key is asked for at send. The messages are merged at
the commit, when it is known which of them survived.
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
from deferred_signals.support.records import about
from deferred_signals.support.telling import log

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from django.dispatch import Signal

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["coalesced", "key_of"]


def key_of(receiver: Receiver, signal: Signal, sender: Any, kwargs: Mapping[str, Any]) -> Hashable:
    """Return what a send has in common with those that it may be merged with; None: it stays alone.

    Sends of different signals, and calls of different receivers, never have equal keys.

    Arguments:
        receiver: whose call is deferred.
        signal: the signal that was sent.
        sender: the signal's sender.
        kwargs: the other arguments of ``send()``.

    Raises:
        Raised: by ``coalesce=``, or since its key cannot be hashed.
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
    """Return the key for ``coalesce=True``: the saved row that the send is about."""
    instance = kwargs.get("instance")
    if not isinstance(instance, Model) or not is_saved(instance):
        return None
    key = (instance._meta.concrete_model, instance.pk, instance._state.db)
    if signal is m2m_changed:  # an add, a remove and a clear stay apart, and so do relations
        return (*key, sender, kwargs["action"], kwargs["reverse"])
    return key


def coalesced(batch: Sequence[Outgoing]) -> list[Outgoing]:
    """Merge the messages of each key in a batch into the last of them, at its place.

    Messages that would be too large together stay apart: a worker would refuse their message.
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
            "%s messages for receiver %s could not be coalesced, and are published one by one: %s",
            len(group),
            last.message.receiver,
            type(error).__name__,
            extra=about("not_coalesced", receiver=last.message.receiver),
        )
        return group
    if size_of(payload) > conf.current().MAX_MESSAGE_BYTES:
        return group
    return [last._replace(message=message, payload=payload)]
