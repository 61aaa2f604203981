"""Records what is written to the database in a testing mode: which row and column, and when.

Execute wrappers see the statements, since ``QuerySet.update()``, bulk operations and raw SQL send
no signal. If a statement might have written a row, the row counts as written.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections
from django.db.backends.signals import connection_created

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Field, Model

__all__ = ["Writes"]

#: Statements that begin so change no existing row.
_HARMLESS = ("BEGIN", "COMMIT", "DELETE", "PRAGMA", "RELEASE", "ROLLBACK", "SAVEPOINT", "SELECT")

#: An INSERT with one of these may change an existing row.
_UPSERT = ("ON CONFLICT", "ON DUPLICATE")


class _Write(NamedTuple):
    """One statement, and its last parameter, which in a ``save()`` is the primary key."""

    time: int
    sql: str
    last: Any


class Writes:
    """The statements so far that may have changed existing rows."""

    def __init__(self) -> None:
        self._clock = count(1)
        self._seen: list[_Write] = []
        self._wrapped: list[BaseDatabaseWrapper] = []

    def now(self) -> int:
        """Return a time that is later than all writes until now."""
        return next(self._clock)

    def changed(self, row: Model, field: Field[Any, Any], since: int) -> bool:
        """Return whether a column of a row may have been written after a time."""
        table, column = field.model._meta.db_table, field.column or ""
        connection = connections[row._state.db or "default"]
        quote = connection.ops.quote_name
        key = field.model._meta.pk
        own = f"WHERE {quote(table)}.{quote(key.column or '')} = %s"
        value: Any = row.pk
        with suppress(Exception):  # a project's own type of key is compared as it is
            value = key.get_db_prep_value(row.pk, connection)
        return any(
            table in write.sql
            and column in write.sql
            # A save of another row of the table.
            and not (write.sql.endswith(own) and write.last != value)
            for write in self._seen
            if write.time > since
        )

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Record what is written on this thread's connections, and on those that are made later."""
        for connection in connections.all():
            self._wrap(connection)
        connection_created.connect(self._wrap_new)
        try:
            yield
        finally:
            connection_created.disconnect(self._wrap_new)
            for connection in self._wrapped:
                with suppress(ValueError):  # other code has emptied the list
                    connection.execute_wrappers.remove(self._note)
            self._wrapped.clear()
            self._seen.clear()

    def _wrap_new(self, connection: BaseDatabaseWrapper, **_kwargs: object) -> None:
        self._wrap(connection)

    def _wrap(self, connection: BaseDatabaseWrapper) -> None:
        if self._note not in connection.execute_wrappers:
            # In front: Django's own `execute_wrapper()` leaves by popping the last one.
            connection.execute_wrappers.insert(0, self._note)
            self._wrapped.append(connection)

    def _note(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        result = execute(sql, params, many, context)
        text = str(sql)
        head = text[:20].lstrip(" (\n").upper()
        if head.startswith("INSERT"):
            may_change = any(word in text.upper() for word in _UPSERT)
        else:
            may_change = not head.startswith(_HARMLESS)
        if may_change:
            last = params[-1] if isinstance(params, (list, tuple)) and params and not many else None
            self._seen.append(_Write(next(self._clock), text, last))
        return result
