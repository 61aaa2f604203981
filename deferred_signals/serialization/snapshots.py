"""Snapshots: instances that travel as their field values, as they were at send."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, get_args

from django.core.exceptions import ObjectDoesNotExist

from deferred_signals import conf
from deferred_signals.errors import DecodeError
from deferred_signals.serialization.fields import decode_field, encode_field, read_field
from deferred_signals.serialization.marks import Snapshot, State
from deferred_signals.serialization.models import alias_of, label_of, model_of
from deferred_signals.serialization.nesting import is_too_deep
from deferred_signals.serialization.pending import Pending
from deferred_signals.serialization.travelled import mark_travelled
from deferred_signals.serialization.trusted_fields import stays_behind
from deferred_signals.serialization.unencodable import Unencodable
from deferred_signals.support.records import about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder
    from deferred_signals.serialization.pending import Reference, Rows

__all__ = ["PendingRow", "install"]

logger = logging.getLogger("deferred_signals")

#: Fields whose values never travel in a snapshot, beside those that the setting SENSITIVE names.
PASSWORDS = frozenset({"password"})


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_encoder(Snapshot, _encode_snapshot)
    codec.add_raw_decoder("$row", _decode_row)


def _encode_snapshot(value: Snapshot, _encoder: Encoder) -> Any:
    row = value.row
    fields = {
        item.attname: form
        for item in row._meta.concrete_fields
        if _travels(item, value)
        for form in _forms(item, value)
    }
    return {"$row": [label_of(type(row)), value.state, row._state.db, fields]}


def _travels(item: Any, value: Snapshot) -> bool:
    """Return whether a field has a value that may travel. The receiver's row lacks all others."""
    loaded = value.row.__dict__
    if item.attname not in loaded:
        return False
    if hasattr(loaded[item.attname], "resolve_expression") and value.state != "unsaved":
        return (
            False  # only the database has the value: the receiver loads it when it reads the field
        )
    secret = conf.current().SENSITIVE | PASSWORDS
    names = {item.name, item.attname}
    if names & value.exclude or {name.casefold() for name in names} & secret:
        return False
    return stays_behind(item) is None


def _forms(item: Any, value: Snapshot) -> Iterator[Any]:
    """Give the form of a field's value, or nothing if the value cannot travel and the row is deleted.

    A delete must not fail for what a field holds.
    """
    try:
        yield _form(item, value.row)
    except Unencodable as error:
        error.path = f".{item.name}{error.path}"
        error.remedy = f"Leave the field out with exclude_fields=({item.name!r},)."
        if value.state != "deleted":
            raise
        logger.warning(
            "Field %s of a deleted row stays behind: its value, of type %s, cannot travel. Name the "
            "field in exclude_fields= if no receiver needs it.",
            item,
            type(error.value).__qualname__,
            extra=about("left_out"),
        )


def _form(item: Any, row: Model) -> Any:
    raw = row.__dict__[item.attname]
    form = encode_field(item, raw, row)
    if is_too_deep([[[[[form]]]]]):  # as deep as it is in a row that carries attributes
        raise Unencodable(raw, "it is nested too deeply")
    return form


def _decode_row(parts: Any) -> PendingRow:
    label, state, alias, forms = parts
    if state not in get_args(State) or type(forms) is not dict:
        raise ValueError("a row is saved, deleted or unsaved, and has fields")
    model = model_of(label)
    fields = [item for item in model._meta.concrete_fields if item.attname in forms]
    return PendingRow(
        model,
        state,
        None if alias is None else alias_of(alias),
        {item: decode_field(forms[item.attname]) for item in fields if not stays_behind(item)},
    )


class PendingRow(Pending):
    """A decoded snapshot. The model's own code runs when the snapshot is completed, and not before."""

    def __init__(
        self, model: type[Model], state: State, alias: str | None, values: dict[Any, Any]
    ) -> None:
        self.model = model
        self.state = state
        self.alias = alias
        self.values = values

    def references(self) -> Iterator[Reference]:
        """Give none: a snapshot needs no row."""
        return iter(())

    def complete(self, rows: Rows) -> Model:
        """Make the instance, and mark it as one that travelled."""
        del rows
        names = [item.attname for item in self.values]
        read = [read_field(item, value) for item, value in self.values.items()]
        try:
            row = self.model.from_db(self.alias, names, read)
        except ObjectDoesNotExist as error:
            raise DecodeError(
                f"{self.model._meta.label} looks for a row while an instance is made (in __init__, "
                f"from_db or a post_init handler), and there is none: {type(error).__name__}. Check "
                f"whether that code reads a field that stayed behind."
            ) from None
        mark_travelled(row, self.state)
        return row
