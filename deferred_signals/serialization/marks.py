"""Marks: how the sending side asks for more, or less, of a row to travel than a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

    from deferred_signals.serialization.codec import Codec

__all__ = ["Carrying", "Same", "Snapshot", "SomeRows", "State", "install"]

#: What an instance was at the send: a row of a database, one that was deleted, or none yet.
State = Literal["saved", "deleted", "unsaved"]


class Snapshot:
    """Asks for an instance to travel as its field values.

    Attributes:
        row: the instance.
        state: what it was at send.
        exclude: names of fields that stay behind.
    """

    def __init__(self, row: Model, state: State, exclude: frozenset[str] = frozenset()) -> None:
        self.row = row
        self.state = state
        self.exclude = exclude


class Carrying:
    """Asks for attributes that are no fields to travel with an instance.

    Attributes:
        row: the instance, or a `Snapshot` of it.
        values: the attributes by their paths.
    """

    def __init__(self, row: Any, values: dict[str, Any]) -> None:
        self.row = row
        self.values = values


class SomeRows:
    """Asks for the rows of a QuerySet to travel as their primary keys.

    Attributes:
        rows: the QuerySet.
    """

    def __init__(self, rows: QuerySet[Any]) -> None:
        self.rows = rows


class Same:
    """Stands for the value of another kwarg of the same message, so that the value travels once.

    Attributes:
        name: of the other kwarg.
    """

    def __init__(self, name: str) -> None:
        self.name = name


def install(codec: Codec) -> None:
    """Teach a codec the one mark that travels: `Same`."""
    codec.add_encoder(Same, lambda same, _encoder: {"$same": same.name})
    codec.add_raw_decoder("$same", _decode_same)


def _decode_same(name: Any) -> Same:
    if type(name) is not str:
        raise TypeError("another kwarg goes by its name")
    return Same(name)
