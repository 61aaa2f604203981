"""Attributes that are no fields: they travel with their instance where ``carry=`` names them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist

from deferred_signals.serialization.fetching import MissingRelation
from deferred_signals.serialization.marks import Carrying
from deferred_signals.serialization.pending import Pending, Reference, completed
from deferred_signals.serialization.pending import references as find_references
from deferred_signals.serialization.snapshots import PendingRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder
    from deferred_signals.serialization.pending import Rows

__all__ = ["install", "let_carry"]


def install(codec: Codec) -> None:
    """Teach a codec this family. The attributes are set by those codecs alone that `let_carry` was called for."""
    codec.add_encoder(Carrying, _encode_carrying)
    let_carry(codec, ())


def let_carry(codec: Codec, paths: Collection[str]) -> None:
    """Let a codec set the attributes of these paths on rows that carry them, and no others."""
    allowed = frozenset(paths)
    codec.add_decoder("$carrying", lambda parts: _decode_carrying(parts, allowed))


def _encode_carrying(value: Carrying, encoder: Encoder) -> Any:
    values = {path: encoder.encode_part(f".{path}", item) for path, item in value.values.items()}
    return {"$carrying": [encoder.encode_any(value.row), values]}


def _decode_carrying(parts: Any, allowed: frozenset[str]) -> _PendingCarrier:
    row, values = parts
    if not isinstance(row, (Reference, PendingRow)) or type(values) is not dict:
        raise TypeError("attributes are carried by a row")
    return _PendingCarrier(row, {path: item for path, item in values.items() if path in allowed})


class _PendingCarrier(Pending):
    """A decoded row with attributes whose paths the receiver itself names."""

    def __init__(self, row: Reference | PendingRow, values: dict[str, Any]) -> None:
        self.row = row
        self.values = values

    def references(self) -> Iterator[Reference]:
        yield from find_references(self.row)
        yield from find_references(self.values)

    def complete(self, rows: Rows) -> Any:
        row = completed(self.row, rows)
        for path, value in completed(self.values, rows).items():
            *steps, last = path.split(".")
            owner = row
            # A step of the path may be no field either, and so be missing here.
            with suppress(AttributeError):
                for step in steps:
                    owner = _follow(owner, step)
                setattr(owner, last, value)
        return row


def _follow(owner: Any, step: str) -> Any:
    try:
        return getattr(owner, step)
    except ObjectDoesNotExist as error:
        raise MissingRelation(error) from None
