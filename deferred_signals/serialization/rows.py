"""Rows as they were: snapshots of instances, files, and attributes that are no fields."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, get_args

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import FileField, Model
from django.db.models.fields.files import FieldFile

from deferred_signals import conf
from deferred_signals.errors import DecodeError
from deferred_signals.serialization.containers import is_too_deep
from deferred_signals.serialization.fields import (
    decode_field,
    encode_field,
    read_field,
    stays_behind,
)
from deferred_signals.serialization.models import alias_of, label_of, model_of
from deferred_signals.serialization.pending import MissingRelation, Pending, Reference, replace
from deferred_signals.serialization.pending import references as find_references
from deferred_signals.serialization.refusals import Unencodable
from deferred_signals.serialization.snapshot import Carrying, Same, Snapshot, State
from deferred_signals.serialization.travelled import mark

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.pending import Rows

__all__ = ["install", "let_carry"]

logger = logging.getLogger("deferred_signals")

#: Fields whose values never travel in a snapshot, beside those of the setting SENSITIVE.
PASSWORDS = frozenset({"password"})


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_encoder(Snapshot, _encode_snapshot)
    codec.add_raw_decoder("$row", _decode_row)
    codec.add_encoder(Carrying, _encode_carrying)
    let_carry(codec, ())
    codec.add_encoder(Same, lambda same, _codec: {"$same": same.name})
    codec.add_plain_decoder("$same", _decode_same)
    codec.add_encoder(FieldFile, _encode_file, subclasses=True)
    codec.add_decoder("$file", _decode_file)


def _decode_same(name: Any) -> Same:
    if type(name) is not str:
        raise TypeError("another kwarg goes by its name")
    return Same(name)


def let_carry(codec: Codec, paths: Collection[str]) -> None:
    """Let a codec set the attributes of these paths on rows that carry them, and no others."""
    allowed = frozenset(paths)
    codec.add_decoder("$carrying", lambda parts: _decode_carrying(parts, allowed))


def _encode_snapshot(value: Snapshot, codec: Codec) -> Any:
    del codec
    row = value.row
    fields = {
        item.attname: form
        for item in row._meta.concrete_fields
        if _travels(item, value)
        for form in _forms(item, value)
    }
    return {"$row": [label_of(type(row)), value.state, row._state.db, fields]}


def _travels(item: Any, value: Snapshot) -> bool:
    """Return whether a field has a value that may travel; else it is missing where the row arrives."""
    loaded = value.row.__dict__
    if item.attname not in loaded:
        return False
    if hasattr(loaded[item.attname], "resolve_expression") and value.state != "unsaved":
        return False  # the database has its value: it is loaded where it is asked for
    secret = conf.current().SENSITIVE | PASSWORDS
    names = {item.name, item.attname}
    if names & value.exclude or {name.casefold() for name in names} & secret:
        return False
    return stays_behind(item) is None


def _forms(item: Any, value: Snapshot) -> Iterator[Any]:
    """Give the form of a field's value; none where it cannot travel and the row is deleted.

    A delete must not fail for what a field holds.
    """
    try:
        yield _form(item, value.row)
    except Unencodable as error:
        error.path = f".{item.name}{error.path}"
        error.remedy = error.remedy or f"Leave the field out with exclude_fields=({item.name!r},)."
        if value.state != "deleted":
            raise
        logger.warning(
            "Field %s of a deleted row stays behind, since its value, of type %s, cannot travel. "
            "Name it in exclude_fields= if no receiver needs it.",
            item,
            type(error.value).__qualname__,
        )


def _form(item: Any, row: Model) -> Any:
    raw = row.__dict__[item.attname]
    form = encode_field(item, raw, row)
    if is_too_deep([[[[[form]]]]]):  # as deep as it is in a row that carries something
        raise Unencodable(raw, "it is nested too deeply")
    return form


def _decode_row(parts: Any, codec: Codec) -> _Row:
    del codec
    label, state, alias, forms = parts
    if state not in get_args(State) or type(forms) is not dict:
        raise ValueError("a row is saved, deleted or unsaved, and has fields")
    model = model_of(label)
    fields = [item for item in model._meta.concrete_fields if item.attname in forms]
    return _Row(
        model,
        state,
        None if alias is None else alias_of(alias),
        {item: decode_field(forms[item.attname]) for item in fields if not stays_behind(item)},
    )


class _Row(Pending):
    """A decoded snapshot; the model's own code runs when it is completed."""

    def __init__(
        self, model: type[Model], state: State, alias: str | None, values: dict[Any, Any]
    ) -> None:
        self.model = model
        self.state = state
        self.alias = alias
        self.values = values

    def references(self) -> Iterator[Reference]:
        return iter(())

    def complete(self, rows: Rows) -> Model:
        del rows
        names = [item.attname for item in self.values]
        read = [read_field(item, value) for item, value in self.values.items()]
        try:
            row = self.model.from_db(self.alias, names, read)
        except ObjectDoesNotExist as error:
            raise DecodeError(
                f"{self.model._meta.label} looks for a row while an instance is made (in __init__, "
                f"from_db or a post_init handler), and there is none: {type(error).__name__}. Does it "
                f"read a field that stayed behind?"
            ) from None
        mark(row, self.state)
        return row


def _encode_carrying(value: Carrying, codec: Codec) -> Any:
    values = {path: codec.encode_part(f".{path}", item) for path, item in value.values.items()}
    return {"$carrying": [codec.encode_any(value.row), values]}


def _decode_carrying(parts: Any, allowed: frozenset[str]) -> _Carried:
    row, values = parts
    if not isinstance(row, (Reference, _Row)) or type(values) is not dict:
        raise TypeError("attributes are carried by a row")
    return _Carried(row, {path: item for path, item in values.items() if path in allowed})


class _Carried(Pending):
    """A row with attributes that are no fields, of paths that the receiver itself names."""

    def __init__(self, row: Reference | _Row, values: dict[str, Any]) -> None:
        self.row = row
        self.values = values

    def references(self) -> Iterator[Reference]:
        yield from find_references(self.row)
        yield from find_references(self.values)

    def complete(self, rows: Rows) -> Any:
        row = replace(self.row, rows)
        for path, value in replace(self.values, rows).items():
            *steps, last = path.split(".")
            owner = row
            # What the path leads through may itself have been no field of the row.
            with suppress(AttributeError):
                for step in steps:
                    owner = _step(owner, step)
                setattr(owner, last, value)
        return row


def _step(owner: Any, step: str) -> Any:
    try:
        return getattr(owner, step)
    except ObjectDoesNotExist as error:
        raise MissingRelation(error) from None


def _encode_file(value: FieldFile, codec: Codec) -> Any:
    name = value.field.name
    return {"$file": [codec.encode_any(value.instance), name, codec.encode_any(value.name)]}


def _decode_file(parts: Any) -> _File:
    row, name, path = parts
    if not isinstance(row, (Reference, _Row)) or not isinstance(path, (str, type(None))):
        raise TypeError("a file belongs to a row, and has a name")
    if not isinstance(row.model._meta.get_field(name), FileField):
        raise TypeError("the field of a file is a FileField")
    return _File(row, name, path)


class _File(Pending):
    """A file of a row."""

    def __init__(self, row: Any, field: str, name: str | None) -> None:
        self.row = row
        self.field = field
        self.name = name

    def references(self) -> Iterator[Reference]:
        return find_references(self.row)

    def complete(self, rows: Rows) -> FieldFile:
        row = replace(self.row, rows)
        item: Any = row._meta.get_field(self.field)
        file: FieldFile = item.attr_class(row, item, self.name)
        return file
