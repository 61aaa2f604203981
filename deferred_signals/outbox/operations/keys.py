"""Places in a list of rows: the values of the columns that the list is ordered by.

A page of the list begins behind such a place, wherever that is by now. So rows that come and go meanwhile
neither repeat a row nor skip one, and the database counts no rows before the page.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.outbox.dialects import Term, text_of_id
from deferred_signals.outbox.operations.selection import checked_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.outbox.dialects import Dialect

__all__ = ["Key", "beyond"]


class Key(NamedTuple):
    """The place of a row in a list.

    Attributes:
        values: one text for each column of the order.
    """

    values: tuple[str, ...]

    def __str__(self) -> str:
        return json.dumps(self.values, separators=(",", ":"))

    @classmethod
    def of(cls, columns: Sequence[str], row: Sequence[Any]) -> Key:
        """Return the place of a row by its values; its times have a zone."""
        return cls(
            tuple(
                text_of_id(value)
                if column == "id"
                else value.isoformat()
                if column.endswith("_at")
                else str(value)
                for column, value in zip(columns, row, strict=True)
            )
        )

    @classmethod
    def parsed(cls, text: str, columns: Sequence[str]) -> Key:
        """Read a place as a page's address has it.

        Raises:
            ValueError: the text is no place in a list of this order.

        >>> key = Key(("2026-01-31T12:00:00+00:00", "01a21f59-4c1c-7d5c-9a52-2f6f0a1f3b77"))
        >>> Key.parsed(str(key), ["due_at", "id"]) == key
        True
        """
        try:
            values = json.loads(text)
        except RecursionError:
            values = None
        if not isinstance(values, list) or len(values) != len(columns):
            raise ValueError(f"{text!r} is no place in a list by {', '.join(columns)}.")
        for column, value in zip(columns, values, strict=True):
            if not isinstance(value, str) or not value.isprintable():
                raise ValueError(f"{value!r} is no value of {column}.")
            if column == "id":
                checked_id(value)
            elif column.endswith("_at") and datetime.fromisoformat(value).utcoffset() is None:
                raise ValueError(f"{value!r} is a time without its zone.")
        return cls(tuple(values))

    def parameters(self, columns: Sequence[str], dialect: Dialect) -> list[Any]:
        """Return the values as parameters of a statement."""
        return [
            dialect.id(value)
            if column == "id"
            else dialect.moment(datetime.fromisoformat(value))
            if column.endswith("_at")
            else value
            for column, value in zip(columns, self.values, strict=True)
        ]


def beyond(
    columns: Sequence[str], key: Key, operator: str, dialect: Dialect, *, including: bool = False
) -> Term:
    """Write the condition that a row lies on one side of a place.

    The first column is compared by itself, too: so databases that do not compare rows of values by an
    index begin to read at the place.

    Arguments:
        columns: the order of the list.
        key: the place.
        operator: ``<`` or ``>``.
        dialect: of the database.
        including: whether the row at the place is meant, too.
    """
    parameters = key.parameters(columns, dialect)
    *before, (column, value) = zip(columns, parameters, strict=True)
    found = Term(f"{column} {operator}{'=' if including else ''} %s", (value,))
    for name, same in reversed(before):
        found = Term(
            f"({name} {operator} %s OR ({name} = %s AND {found.sql}))",
            (same, same, *found.values),
        )
    if before:
        found = Term(f"{columns[0]} {operator}= %s AND {found.sql}", (parameters[0], *found.values))
    return found
