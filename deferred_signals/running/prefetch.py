"""Rows for a chunk: what its calls refer to, read by one query a model when the chunk begins."""

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

    What is not found here is fetched when its call asks for it, so that it fails, or is missing,
    for that call alone.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        #: A carrier may choose the database's schema, say: rows are for one context only.
        self._context = messages[0].context if messages else {}
        self._wanted = Counter(
            reference
            for message in messages
            if message.context == self._context
            for reference in set(_references(message))
        )
        self._rows: dict[Reference, Model] = {}
        # Where it cannot be restored, and must be, no row is fetched, and each call fails by itself.
        with suppress(ContextNotRestored), restored(self._context):
            self._rows = _fetch_together(self._wanted)

    def fetcher(self, message: Message) -> Callable[[Reference], Model]:
        """What gives the rows for one message."""
        return self._take if message.context == self._context else fetch

    def _take(self, reference: Reference) -> Model:
        row = self._rows.get(reference)
        if row is None:
            return fetch(reference)
        self._wanted[reference] -= 1
        if self._wanted[reference] > 0:
            return deepcopy(row)  # another call will want it as it was read
        return self._rows.pop(reference)


def _fetch_together(wanted: Counter[Reference]) -> dict[Reference, Model]:
    by_table: dict[tuple[type[Model], str], list[Reference]] = defaultdict(list)
    for reference in wanted:
        by_table[reference.model, reference.alias].append(reference)
    found: dict[Reference, Model] = {}
    for (model, alias), references in by_table.items():
        # Where one of the keys is wrong, each call will see for itself.
        with suppress(ArithmeticError, Error, TypeError, ValidationError, ValueError):
            found |= fetch_many(model, alias, references)
    return found


def _references(message: Message) -> Iterator[Reference]:
    """What a message refers to, as far as one can tell before it is decoded."""
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
    """The encoded references inside an encoded value."""
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
