"""Order: messages with one key run one after another, by ``ordered_by=``."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models import Model

from deferred_signals.errors import InvalidReceiver
from deferred_signals.serialization import CODEC, Reference, Unencodable, key_form
from deferred_signals.serialization.keys import decode_key
from deferred_signals.support.asking import Raised, ask
from deferred_signals.support.json import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deferred_signals.receivers.receiver import Receiver

__all__ = ["hash_of", "key_in", "order_key_of"]

#: Bytes of a key's hash, which has twice as many characters.
_BYTES = 16


def hash_of(order_key: str) -> str:
    """Return the hash of a key, as the table keeps it."""
    return blake2b(order_key.encode(), digest_size=_BYTES).hexdigest()


def order_key_of(receiver: Receiver, sender: Any, kwargs: Mapping[str, Any]) -> str | None:
    """Return what a send has in common with those that its run must not overtake, as a text.

    None stands for a send that waits for no other. Messages of different receivers never wait for one
    another.

    Arguments:
        receiver: whose call is deferred.
        sender: the signal's sender.
        kwargs: the other arguments of ``send()``.

    Raises:
        Raised: by ``ordered_by=``, or since its key cannot be written down.
    """
    ordered_by = receiver.options.ordered_by
    if ordered_by is None:
        return None
    form = _row(kwargs) if ordered_by == "instance" else _asked(receiver, sender, kwargs)
    if form is None:
        return None
    return f"{receiver.name}\0{to_json(form)}"


def key_in(order_key: str, receiver: Receiver, using: str) -> Any:
    """Read what ``ordered_by=`` gave; for ``"instance"`` that is a reference to the row.

    Arguments:
        order_key: a text of `order_key_of`.
        receiver: its receiver.
        using: alias of the row's database.
    """
    form = json.loads(order_key.partition("\0")[2])
    if receiver.options.ordered_by != "instance":
        return CODEC.decode(form)
    label, key = form
    return Reference(apps.get_model(label), decode_key(key), using)


def _row(kwargs: Mapping[str, Any]) -> Any:
    """Return a form for the saved row that a send is about."""
    instance = kwargs.get("instance")
    if not isinstance(instance, Model) or instance.pk is None:
        return None
    model = instance._meta.concrete_model or type(instance)
    return [model._meta.label, key_form(instance)]


def _asked(receiver: Receiver, sender: Any, kwargs: Mapping[str, Any]) -> Any:
    """Return a form of the key that ``ordered_by=`` gives."""
    key = ask(receiver.options.ordered_by, sender, kwargs)  # type: ignore[arg-type]  # it is a callable
    try:
        return None if key is None else CODEC.encode(key)
    except (Unencodable, TypeError, ValueError) as error:
        refusal = InvalidReceiver(
            f"ordered_by= of {receiver.name!r} must give a key that can travel, like a number, a text "
            f"or a tuple of them, or None where a send waits for no other, got {type(key).__name__}: "
            f"{error}."
        )
        raise Raised(refusal) from None
