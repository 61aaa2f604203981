"""Rows for a chunk: fetch what its calls refer to, by one query a model, when the chunk begins."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import Error

from deferred_signals.errors import ContextNotRestored, DecodeError
from deferred_signals.message.context import restored
from deferred_signals.receivers import registry
from deferred_signals.serialization import Reference, fetch, fetch_many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import Model

    from deferred_signals.message import Message

__all__ = ["Ahead"]


class Ahead:
    """The rows that messages refer to, as they are now.

    A row that is not among them is fetched when its call asks for it. So an error, or a row that is
    gone, is the matter of that call alone.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        #: The context that the rows were fetched in: a carrier may choose the database's schema.
        self._context = messages[0].context if messages else {}
        self._wanted = Counter(
            reference
            for message in messages
            if message.context == self._context
            for reference in set(_references(message))
        )
        self._rows: dict[Reference, Model] = {}
        # If a required carrier cannot restore the context, no row is fetched, and each call fails.
        with suppress(ContextNotRestored), restored(self._context):
            self._rows = _fetch_together(self._wanted)

    def fetcher(self, message: Message) -> Callable[[Reference], Model]:
        """Return the function that fetches rows for one message."""
        return self._take if message.context == self._context else fetch

    def _take(self, reference: Reference) -> Model:
        row = self._rows.get(reference)
        if row is None:
            return fetch(reference)
        self._wanted[reference] -= 1
        if self._wanted[reference] > 0:
            return deepcopy(row)  # another call needs the row as it was read
        return self._rows.pop(reference)


def _fetch_together(wanted: Counter[Reference]) -> dict[Reference, Model]:
    """Fetch rows by one query for each model and database."""
    by_table: dict[tuple[type[Model], str], list[Reference]] = defaultdict(list)
    for reference in wanted:
        by_table[reference.model, reference.alias].append(reference)
    found: dict[Reference, Model] = {}
    for (model, alias), references in by_table.items():
        # If a key is wrong, each call fetches its own rows, so that only the one with that key fails.
        with suppress(ArithmeticError, Error, TypeError, ValidationError, ValueError):
            found |= fetch_many(model, alias, references)
    return found


def _references(message: Message) -> Iterator[Reference]:
    """Yield the references of a message, as far as they can be told before it is decoded."""
    receiver = registry.find(message.receiver)
    if receiver is None:
        return
    for form in _forms([message.kwargs, message.sender]):
        try:
            reference = receiver.codec.decode(form)
        except DecodeError:
            continue
        if isinstance(reference, Reference):
            yield reference


def _forms(form: Any) -> Iterator[Any]:
    """Yield the forms of references inside a form."""
    kind = type(form)
    if kind is dict:
        if "$ref" in form:
            yield form
        else:
            for item in form.values():
                yield from _forms(item)
    elif kind is list:
        for item in form:
            yield from _forms(item)
