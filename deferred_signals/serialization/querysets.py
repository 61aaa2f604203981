"""QuerySets: the keys of their rows travel, to receivers that ask for the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from django.core.exceptions import ValidationError
from django.db.models import Manager, QuerySet

from deferred_signals.errors import DecodeError
from deferred_signals.serialization.keys import (
    decode_key,
    encode_key,
    fields_of_key,
    key_form,
    prepared,
)
from deferred_signals.serialization.marks import SomeRows
from deferred_signals.serialization.models import alias_of, label_of, model_of
from deferred_signals.serialization.pending import Pending
from deferred_signals.serialization.unencodable import Unencodable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder
    from deferred_signals.serialization.pending import Reference, Rows

__all__ = ["RowsNotSent", "install"]


class RowsNotSent:
    """Stands for a QuerySet that did not travel: the receiver did not ask for it, or its rows are gone.

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

    def __contains__(self, _row: object) -> NoReturn:
        raise TypeError(self._explanation())

    def __getitem__(self, _key: object) -> NoReturn:
        raise TypeError(self._explanation())

    def __getattr__(self, name: str) -> NoReturn:
        if name == "model":  # a copy that is being made has none yet
            raise AttributeError(name)
        raise AttributeError(f"No {name!r}: {self._explanation()}")

    def _explanation(self) -> str:
        return (
            f"The rows of this {self.model._meta.label} QuerySet did not travel. A receiver gets rows "
            f"if its signature names the argument. What it needs of rows that are deleted, capture= "
            f"must read at send."
        )


def install(codec: Codec) -> None:
    """Teach a codec this family."""
    codec.add_encoder(SomeRows, _encode_rows)
    codec.add_raw_decoder("$rows", _decode_rows)
    codec.add_encoder(QuerySet, _encode_label, subclasses=True)
    codec.add_encoder(RowsNotSent, _encode_label)
    codec.add_decoder("$norows", lambda label: RowsNotSent(model_of(label)))
    codec.add_encoder(Manager, _refuse_manager, subclasses=True)


def _encode_label(rows: QuerySet[Any] | RowsNotSent, _encoder: Encoder) -> Any:
    model: type[Model] = rows.model
    return {"$norows": label_of(model)}


def _encode_rows(value: SomeRows, _encoder: Encoder) -> Any:
    rows = value.rows
    model: type[Model] = rows.model
    if rows.query.values_select:
        raise Unencodable(
            rows,
            "values() and values_list() give no rows",
            remedy="Read them at send with capture=, as a list.",
        )
    held = _held_by(rows)
    keys = _keys_in_database(rows) if held is None else [key_form(row) for row in held]
    return {"$rows": [label_of(model), keys, rows.db]}


def _held_by(rows: QuerySet[Any]) -> list[Model] | None:
    """Return the rows of an evaluated QuerySet, which the sender has seen; None of any other.

    Django has no public way to ask whether a QuerySet was evaluated.
    """
    return rows._result_cache  # noqa: SLF001 - see above


def _keys_in_database(rows: QuerySet[Any]) -> list[Any]:
    fields = fields_of_key(rows.model)
    keys = rows.values_list("pk", flat=True)
    if len(fields) == 1:
        return [encode_key(fields[0], key) for key in keys]
    return [
        {"$tuple": [encode_key(*pair) for pair in zip(fields, key, strict=True)]} for key in keys
    ]


def _decode_rows(parts: Any) -> _PendingRows:
    label, forms, alias = parts
    if type(forms) is not list:
        raise TypeError("the keys of rows are written as a list")
    model, name = model_of(label), alias_of(alias)
    try:
        keys = [prepared(model, decode_key(form)) for form in forms]
        return _PendingRows(model._base_manager.using(name).filter(pk__in=keys))
    except (ArithmeticError, TypeError, ValidationError, ValueError):
        raise DecodeError(f"A message has keys that no {model._meta.label} can have.") from None


class _PendingRows(Pending):
    """A decoded QuerySet. It asks the database when the receiver evaluates it."""

    def __init__(self, rows: QuerySet[Any]) -> None:
        self.rows = rows

    def references(self) -> Iterator[Reference]:
        return iter(())

    def complete(self, rows: Rows) -> QuerySet[Any]:
        del rows
        return self.rows


def _refuse_manager(manager: Any, _encoder: Encoder) -> Any:
    raise Unencodable(
        manager, "it is a manager, and not the rows", remedy="Send a QuerySet: call .all() on it."
    )
