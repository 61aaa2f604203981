"""Encode the kwargs of a send: which of them travel, and each one's form.

`deferred_signals.sending.shaping` says which kwargs travel, `deferred_signals.sending.marks` how
much of each value does. The receiver's codec writes the forms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Model
from django.db.models.signals import m2m_changed

from deferred_signals.errors import SerializationError
from deferred_signals.sending.cleared import with_cleared
from deferred_signals.sending.marks import UNMARKED, marked, told_once
from deferred_signals.sending.refusals import refusal
from deferred_signals.sending.secrets import may_tell_secrets, secret_in
from deferred_signals.sending.shaping import shaped
from deferred_signals.sending.states import names_of_states
from deferred_signals.serialization import Unencodable, is_too_deep, key_set_form, may_be_too_deep
from deferred_signals.support.json import to_json

if TYPE_CHECKING:
    from deferred_signals.conf import Settings
    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.sending.send import Send

__all__ = ["Encoded", "encode_kwargs"]


class Encoded(NamedTuple):
    """The encoded kwargs of a message.

    Attributes:
        forms: the kwargs' forms, by their names.
        text: the same as JSON.
    """

    forms: dict[str, Any]
    text: str


def encode_kwargs(send: Send, settings: Settings) -> Encoded:
    """Encode the kwargs of a send, as the receiver's options want them.

    Raises:
        Raised: by ``capture=``.
        SerializationError: a value cannot travel, or must not.
    """
    receiver, options = send.receiver, send.receiver.options
    kwargs = send.kwargs
    if send.signal is m2m_changed and kwargs.get("action") == "post_clear":
        kwargs = with_cleared(receiver.name, send.sender, kwargs)
    if send.changes or send.entry.extract is not None or options.shapes_kwargs:
        kwargs = shaped(send, kwargs)
    snapshots = options.snapshot_names
    if sum(type(value) not in UNMARKED for value in kwargs.values()) > 1:
        kwargs = told_once(kwargs)
        snapshots |= names_of_states(kwargs)
    encoded = _all_at_once(receiver, kwargs, snapshots)
    if encoded is None:
        encoded = _one_by_one(send, kwargs, snapshots)
    if may_tell_secrets(encoded.text, settings.SENSITIVE):
        _refuse_secrets(send, encoded.forms, settings)
    return encoded


#: Types whose values are their own forms.
_ENCODED = frozenset({type(None), bool})


def _all_at_once(
    receiver: Receiver, kwargs: dict[str, Any], snapshots: frozenset[str]
) -> Encoded | None:
    """Encode all kwargs; None where something is wrong with one of them."""
    encode = receiver.codec.encode_any
    try:
        forms = {
            name: value
            if (kind := type(value)) in _ENCODED
            else encode(value if kind in UNMARKED else marked(receiver, name, value, snapshots))
            for name, value in kwargs.items()
        }
        text = to_json(forms)
    except (Unencodable, RecursionError):
        return None
    return None if may_be_too_deep(text) and is_too_deep(*forms.values()) else Encoded(forms, text)


def _one_by_one(send: Send, kwargs: dict[str, Any], snapshots: frozenset[str]) -> Encoded:
    """Encode each kwarg by itself, to say which one cannot travel and why.

    Raises:
        SerializationError: one cannot.
    """
    forms = {}
    for name in kwargs:
        try:
            forms[name] = _form_of(send.receiver, name, kwargs, snapshots)
        except Unencodable as error:
            raise refusal(send, name, error) from None
    return Encoded(forms, to_json(forms))


def _form_of(
    receiver: Receiver, name: str, kwargs: dict[str, Any], snapshots: frozenset[str]
) -> Any:
    """Encode one kwarg; the codec's error has the path to what cannot travel.

    Raises:
        Unencodable: the kwarg cannot travel.
    """
    value, model = kwargs[name], kwargs.get("model")
    try:
        return receiver.codec.encode(marked(receiver, name, value, snapshots))
    except Unencodable:
        is_of_keys = name == "pk_set" and isinstance(value, (set, frozenset))
        if not is_of_keys or not isinstance(model, type) or not issubclass(model, Model):
            raise
        return key_set_form(model, value)  # keys of a type that only their field knows


def _refuse_secrets(send: Send, forms: dict[str, Any], settings: Settings) -> None:
    """Refuse kwargs that hold something of a secret's name; ``changes`` has no values of secrets.

    Raises:
        SerializationError: one does.
    """
    exempt = "changes" if send.changes else ""
    for name, form in forms.items():
        path = secret_in({name: form}, settings.SENSITIVE) if name != exempt else None
        if path is not None:
            raise SerializationError(
                f"{send.names}: kwarg {name!r} has the name of a secret, or holds something "
                f"of such a name ({path!r}), and the broker keeps messages. Leave the kwarg out "
                f"with exclude=({name!r},), or take the name out of DEFERRED_SIGNALS['SENSITIVE']."
            )
