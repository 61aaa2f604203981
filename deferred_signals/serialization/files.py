"""Files of rows: a FieldFile travels as its row, the name of its field, and the file's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import FileField
from django.db.models.fields.files import FieldFile

from deferred_signals.serialization.pending import Pending, Reference, completed
from deferred_signals.serialization.pending import references as find_references
from deferred_signals.serialization.snapshots import PendingRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder
    from deferred_signals.serialization.pending import Rows

__all__ = ["install"]


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_encoder(FieldFile, _encode_file, subclasses=True)
    codec.add_decoder("$file", _decode_file)


def _encode_file(value: FieldFile, encoder: Encoder) -> Any:
    name = value.field.name
    return {"$file": [encoder.encode_any(value.instance), name, encoder.encode_any(value.name)]}


def _decode_file(parts: Any) -> _PendingFile:
    row, field, name = parts
    if not isinstance(row, (Reference, PendingRow)) or not isinstance(name, (str, type(None))):
        raise TypeError("a file belongs to a row, and has a name")
    if not isinstance(row.model._meta.get_field(field), FileField):
        raise TypeError("the field of a file is a FileField")
    return _PendingFile(row, field, name)


class _PendingFile(Pending):
    """A decoded file, whose row may have to be fetched."""

    def __init__(self, row: Reference | PendingRow, field: str, name: str | None) -> None:
        self.row = row
        self.field = field
        self.name = name

    def references(self) -> Iterator[Reference]:
        return find_references(self.row)

    def complete(self, rows: Rows) -> FieldFile:
        row = completed(self.row, rows)
        item: Any = row._meta.get_field(self.field)
        file: FieldFile = item.attr_class(row, item, self.name)
        return file
