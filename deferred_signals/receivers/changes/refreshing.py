"""Note what ``refresh_from_db`` reads, of which no signal tells."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS

from deferred_signals.receivers.changes.fates import fate_of_writes
from deferred_signals.receivers.changes.kept import compared, is_same, kept
from deferred_signals.receivers.changes.notes import Notes, notes_of, write
from deferred_signals.receivers.changes.rows import Followed, is_same_key, key_of
from deferred_signals.support.unknown import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.db.models import Model

__all__ = ["follow_refresh", "note_loaded"]

#: Rows that were loaded while ``refresh_from_db()`` of an instance runs, with their model.
_loaded: ContextVar[list[tuple[type[Model], Notes]] | None] = ContextVar("loaded", default=None)


def note_loaded(model: type[Model], notes: Notes) -> None:
    """Note that an instance was made, which is how Django loads a row, if a refresh is under way."""
    loaded = _loaded.get()
    if loaded is not None:
        loaded.append((model, notes))


def follow_refresh(
    model: type[Model], followed_of: Callable[[type[Model]], Followed | None]
) -> None:
    """Wrap a model's own ``refresh_from_db``.

    Its arguments do not tell which fields it reads, as a model may alter or hide them. But Django
    loads the row as another instance, and ``post_init`` tells of that.

    Arguments:
        model: the model.
        followed_of: gives the fields that are followed of a model.
    """
    original = model.refresh_from_db

    @functools.wraps(original)
    def refresh_from_db(self: Model, *args: Any, **kwargs: Any) -> Any:
        followed = followed_of(type(self))
        if followed is None:
            return original(self, *args, **kwargs)
        held = {name: self.__dict__.get(name, UNKNOWN) for name in followed.fields}
        rows: list[tuple[type[Model], Notes]] = []
        token = _loaded.set(rows)
        try:
            result: Any = original(self, *args, **kwargs)
        finally:
            _loaded.reset(token)
        _note_refreshed(followed, self, rows, held)
        return result

    model.refresh_from_db = refresh_from_db  # type: ignore[method-assign]  # wrapped, not replaced


def _note_refreshed(
    followed: Followed,
    instance: Model,
    rows: list[tuple[type[Model], Notes]],
    held: Mapping[str, Any],
) -> None:
    """Note what ``refresh_from_db`` has read: the rows that were loaded, or else the values it set."""
    key = key_of(followed, instance)
    if key is None:
        return
    found = [
        notes.known
        for model, notes in rows
        if model is type(instance) and is_same_key(followed, notes.key, key)
    ]
    read = {
        name: value for known in found for name, value in known.items() if name in followed.fields
    }
    if not found:
        now = instance.__dict__
        read = {
            name: kept(followed.fields[name], now[name])
            for name, value in held.items()
            if name in now and now[name] is not value
        }
    # Claims count here: this may happen in the model's `__init__`, before an instance that is loaded
    # can be told from one that is made.
    notes = notes_of(instance)
    if notes is not None and not is_same_key(followed, notes.key, key):
        notes = None
    known = {} if notes is None else notes.known
    claims = frozenset() if notes is None else notes.claims - read.keys()
    news = frozenset(
        name
        for name, value in read.items()
        if not is_same(
            compared(followed.fields[name], known.get(name, UNKNOWN)),
            compared(followed.fields[name], value),
        )
    )
    if not news and notes is not None:
        write(instance, notes._replace(claims=claims))
        return
    # The transaction itself may have written what was read, and may still be rolled back.
    fate = fate_of_writes(instance._state.db or DEFAULT_DB_ALIAS)
    earlier = None if fate is None else notes
    write(instance, Notes(key, {**known, **read}, claims, fate, earlier, news))
