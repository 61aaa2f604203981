"""The codecs: `CODEC` for every message, one for each receiver that needs its own, one for senders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Model

from deferred_signals.serialization import (
    carrying,
    containers,
    declared,
    derived,
    files,
    marks,
    models,
    moments,
    objects,
    querysets,
    requests,
    senders,
    snapshots,
    values,
)
from deferred_signals.serialization.codec import Codec
from deferred_signals.serialization.marks import Same, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from deferred_signals.serialization.encoder import Encoder
    from deferred_signals.serialization.marks import State

__all__ = ["CODEC", "codec_for", "decode_call", "decode_sender", "encode_sender"]

#: In the order in which their rules are asked for a value's type. What all of them share comes last.
_FAMILIES = (
    containers,
    values,
    moments,
    objects,
    models,
    marks,
    snapshots,
    carrying,
    files,
    querysets,
    requests,
    senders,
    declared,
    derived,
)

CODEC = Codec()
for _family in _FAMILIES:
    _family.install(CODEC)

#: For senders, which alone may be classes, functions and modules.
SENDERS = CODEC.child()
senders.install_named(SENDERS)


def codec_for(
    function: Callable[..., Any],
    schema: type | None = None,
    *,
    snapshot: bool = False,
    exclude_fields: frozenset[str] = frozenset(),
    carry: Collection[str] = (),
) -> Codec:
    """Return the codec of one receiver: `CODEC` itself, unless the receiver needs more.

    Arguments:
        function: its annotations declare types of the project's own.
        schema: declares more of them.
        snapshot: whether instances travel as their field values, wherever they are.
        exclude_fields: fields that stay behind then.
        carry: paths of attributes that are set on the instances which carry them.
    """
    types = declared.declared_types(function, *(() if schema is None else (schema,)))
    if not types and not snapshot and not exclude_fields and not carry:
        return CODEC
    codec = CODEC.child()
    declared.teach(codec, *types)
    carrying.let_carry(codec, carry)

    def encode_row(row: Model, encoder: Encoder) -> Any:
        if models.is_saved(row) and not snapshot:
            return models.encode_row(row, encoder)
        state: State = "saved" if models.is_saved(row) else "unsaved"
        return encoder.encode_any(Snapshot(row, state, exclude_fields))

    codec.add_encoder(Model, encode_row, subclasses=True)
    return codec


def encode_sender(codec: Codec, sender: Any) -> Any:
    """Write the form of a sender.

    Arguments:
        codec: the receiver's.
        sender: what `sender_value` gave.

    Raises:
        Unencodable: it cannot travel.
    """
    return (SENDERS if isinstance(sender, senders.Named) else codec).encode(sender)


def decode_sender(form: Any) -> Any:
    """Read a sender.

    Raises:
        DecodeError: `encode_sender` writes no such form.
    """
    return SENDERS.decode(form)


def decode_call(codec: Codec, kwargs: dict[str, Any], sender: Any) -> dict[str, Any]:
    """Read the kwargs of a call, with the sender among them.

    Arguments:
        codec: the receiver's.
        kwargs: forms by name.
        sender: a form.

    Raises:
        DecodeError: no encoder writes one of these forms.
    """
    decoded = codec.decode_values(kwargs)
    for name, value in decoded.items():
        if type(value) is Same:
            decoded[name] = decoded.get(value.name)
    return {**decoded, "sender": decode_sender(sender)}
