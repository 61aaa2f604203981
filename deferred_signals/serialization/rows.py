"""Rows as they were: snapshots of instances, sets of rows, files, and attributes that are no fields."""

from __future__ import annotations

from contextlib import suppress
from types import MethodType
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Choices, FileField, Model, QuerySet
from django.db.models.fields.files import FieldFile

from deferred_signals import conf
from deferred_signals.errors import DecodeError
from deferred_signals.serialization.codec import Unencodable
from deferred_signals.serialization.models import label_of, model_of
from deferred_signals.serialization.pending import Pending, Reference, replace
from deferred_signals.serialization.pending import references as find_references
from deferred_signals.serialization.snapshot import Carrying, Snapshot, SomeRows, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.pending import Rows

__all__ = ["RowsNotSent", "install"]


class RowsNotSent:
    """Stands for a QuerySet that did not travel: it was not asked for, or its rows are gone.

    Attributes:
        model: the QuerySet's model.
    """

    def __init__(self, model: type[Model]) -> None:
        self.model = model

    def __repr__(self) -> str:
        return f"<RowsNotSent of {self.model._meta.label}>"

    def __iter__(self) -> NoReturn:
        raise TypeError(self._explanation())

    def __bool__(self) -> NoReturn:
        raise TypeError(self._explanation())

    def __len__(self) -> NoReturn:
        raise TypeError(self._explanation())

    def __getitem__(self, _key: object) -> NoReturn:
        raise TypeError(self._explanation())

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"No {name!r}: {self._explanation()}")

    def _explanation(self) -> str:
        return (
            f"The rows of this {self.model._meta.label} QuerySet did not travel. A receiver has "
            f"them if its signature names the argument, or what capture= read from them."
        )


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_encoder(Snapshot, _encode_snapshot)
    codec.add_decoder("$row", _decode_row)
    codec.add_decoder("$field", _FieldText)
    codec.add_encoder(Carrying, _encode_carrying)
    codec.add_decoder("$carrying", _decode_carrying)
    codec.add_encoder(SomeRows, _encode_rows)
    codec.add_decoder("$rows", _decode_rows)
    codec.add_encoder(
        QuerySet, lambda rows, _codec: {"$norows": label_of(rows.model)}, subclasses=True
    )
    codec.add_encoder(RowsNotSent, lambda rows, _codec: {"$norows": label_of(rows.model)})
    codec.add_decoder("$norows", lambda label: RowsNotSent(model_of(label)))
    codec.add_encoder(FieldFile, _encode_file, subclasses=True)
    codec.add_decoder("$file", _decode_file)


def _encode_snapshot(value: Snapshot, codec: Codec) -> Any:
    row = value.row
    exclude = value.exclude | conf.current().SENSITIVE | {"password"}
    fields = {}
    for item in row._meta.concrete_fields:
        if item.attname not in row.__dict__ or {item.name, item.attname} & exclude:
            continue  # deferred at send, or to stay behind: deferred again where it arrives
        raw = row.__dict__[item.attname]
        if hasattr(raw, "resolve_expression"):
            raise Unencodable(
                row,
                f"its field {item.name!r} holds an expression that only the database can resolve: "
                f"call refresh_from_db() before it is sent",
            )
        fields[item.attname] = _encode_field(item, raw, row, codec)
    return {"$row": [label_of(type(row)), value.state, row._state.db, fields]}


def _encode_field(item: Any, raw: Any, row: Model, codec: Codec) -> Any:
    if isinstance(raw, FieldFile):
        raw = raw.name
    if isinstance(raw, Choices):
        raw = raw.value
    try:
        return codec.encode_part(f".{item.name}", raw)
    except Unencodable:
        text = item.value_to_string(row)  # what Django's own serializers go by
        if not isinstance(text, str) or item.get_internal_type() == "JSONField":
            raise
        return {"$field": text}


def _decode_row(parts: Any) -> _Row:
    label, state, alias, fields = parts
    if state not in get_args(State) or not isinstance(fields, dict):
        raise ValueError(f"a row is saved, deleted or unsaved and has fields, not {state!r}")
    if alias is not None and alias not in connections:
        raise LookupError(f"no database {alias!r} in this process")
    return _Row(model_of(label), state, alias, fields)


class _Row(Pending):
    """A decoded snapshot; the model's own code runs when it is completed."""

    def __init__(
        self, model: type[Model], state: State, alias: str | None, fields: dict[str, Any]
    ) -> None:
        self.model = model
        self.state = state
        self.alias = alias
        self.fields = fields

    def references(self) -> Iterator[Reference]:
        return find_references(self.fields)

    def complete(self, rows: Rows) -> Model:
        known = [item for item in self.model._meta.concrete_fields if item.attname in self.fields]
        values = [replace(self.fields[item.attname], rows) for item in known]
        values = [
            value.read_by(item) if isinstance(value, _FieldText) else value
            for item, value in zip(known, values, strict=True)
        ]
        names = [item.attname for item in known]
        row = self.model.from_db(self.alias, names, values)
        row._state.adding = self.state == "unsaved"
        if self.state != "unsaved":
            row.save = MethodType(_refuse_save, row)  # type: ignore[method-assign]  # of this row alone
            row._state.travelled = self.state  # type: ignore[attr-defined]  # our mark on it
        return row


def _refuse_save(row: Model, *args: Any, update_fields: Any = None, **kwargs: Any) -> None:
    """In place of ``save()`` on a row that is not the database's: old values must not go back."""
    if row._state.travelled == "deleted":  # type: ignore[attr-defined]  # our mark on it
        raise TypeError(f"{row!r} was deleted before it was sent here, and cannot be saved.")
    if update_fields is None:
        raise TypeError(
            f"{row!r} is a snapshot of what was sent, and saving it would write old values over "
            f"new ones. Fetch the row anew, or name what to write: save(update_fields=[...])."
        )
    type(row).save(row, *args, update_fields=update_fields, **kwargs)


class _FieldText:
    """A value as its field writes it for Django's serializers."""

    def __init__(self, text: Any) -> None:
        self.text = text

    def read_by(self, field: Any) -> Any:
        try:
            return field.to_python(self.text)
        except (TypeError, ValidationError, ValueError) as error:
            raise DecodeError(f"{field} cannot read {self.text!r}: {error}", self.text) from error


def _encode_carrying(value: Carrying, codec: Codec) -> Any:
    values = {path: codec.encode_part(f".{path}", item) for path, item in value.values.items()}
    return {"$carrying": [codec.encode_any(value.row), values]}


def _decode_carrying(parts: Any) -> _Carried:
    row, values = parts
    if not isinstance(row, Pending) or not isinstance(values, dict):
        raise TypeError("attributes are carried by a row")
    return _Carried(row, values)


class _Carried(Pending):
    def __init__(self, row: Any, values: dict[str, Any]) -> None:
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
                    owner = getattr(owner, step)
                setattr(owner, last, value)
        return row


def _encode_rows(value: SomeRows, codec: Codec) -> Any:
    rows = value.rows
    model: type[Model] = rows.model
    if rows.query.values_select:
        raise Unencodable(rows, "values() are no rows: capture= can read them at send, as a list")
    keys = [codec.encode_any(pk) for pk in rows.values_list("pk", flat=True)]
    return {"$rows": [label_of(model), keys, rows.db]}


def _decode_rows(parts: Any) -> _Rows:
    label, keys, alias = parts
    if alias not in connections or not isinstance(keys, list):
        raise LookupError(f"no database {alias!r}, or no list of keys")
    return _Rows(model_of(label), keys, alias)


class _Rows(Pending):
    """Decoded keys; a QuerySet asks the database as soon as somebody looks into it."""

    def __init__(self, model: type[Model], keys: list[Any], alias: str) -> None:
        self.model = model
        self.keys = keys
        self.alias = alias

    def references(self) -> Iterator[Reference]:
        return find_references(self.keys)

    def complete(self, rows: Rows) -> QuerySet[Any]:
        manager = self.model._base_manager
        try:
            return manager.using(self.alias).filter(pk__in=replace(self.keys, rows))
        except (TypeError, ValidationError, ValueError) as error:
            raise DecodeError(f"These are no keys of {self.model!r}: {error}", self.keys) from error


def _encode_file(value: FieldFile, codec: Codec) -> Any:
    name = value.field.name
    return {"$file": [codec.encode_any(value.instance), name, codec.encode_any(value.name)]}


def _decode_file(parts: Any) -> _File:
    row, name, path = parts
    if not isinstance(row, (Reference, _Row)):
        raise TypeError("a file belongs to a row")
    if not isinstance(row.model._meta.get_field(name), FileField):
        raise TypeError(f"{row.model._meta.label}.{name} is no file")
    return _File(row, name, path)


class _File(Pending):
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
