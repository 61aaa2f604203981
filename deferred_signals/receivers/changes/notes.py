"""What is known of a row: its values as they were last read or saved, as far as that stays true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.support.unknown import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model

    from deferred_signals.receivers.changes.fates import Fate

__all__ = ["Notes", "notes_of", "write"]

#: Where they hang on ``instance._state``.
_NAME = "deferred_signals_notes"


class Notes(NamedTuple):
    """What is known of one row. Never altered, but replaced: copies of an instance share them.

    Attributes:
        key: the row's primary key, kept, a value for each of its fields.
        known: kept values by the names of fields; of a field that is not in it nothing is known.
        claims: fields of which the instance was made with these values. Nobody has seen them in the
            database, unless the instance turns out to have been loaded.
        fate: whether they stay true, where that is still open.
        before: what holds if they do not.
        doubtful: fields that are unknown then, since what was read is not what was known before.
    """

    key: tuple[Any, ...]
    known: Mapping[str, Any]
    claims: frozenset[str] = frozenset()
    fate: Fate | None = None
    before: Notes | None = None
    doubtful: frozenset[str] = frozenset()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, and copy deeply, as a dict of what is sure: readable without this library."""
        now = _settled(self)
        if now is None:
            return dict, ()
        return dict, ({"key": now.key, "known": now.sure(), "claims": now.claims},)

    def without_claims(self) -> Notes | None:
        """What was seen in the database; None where nothing was."""
        known = {name: value for name, value in self.known.items() if name not in self.claims}
        return self._replace(known=known, claims=frozenset()) if known else None

    def sure(self) -> dict[str, Any]:
        """What holds however the transaction ends."""
        sure = {name: value for name, value in self.known.items() if value is not UNKNOWN}
        found: Notes | None = self
        while found is not None and found.fate is not None and not found.fate.is_committed:
            before = found.before
            sure = {
                name: value
                for name, value in sure.items()
                if before is not None and before.known.get(name, UNKNOWN) is value
            }
            found = before
        return sure


def notes_of(instance: Model) -> Notes | None:
    """What holds now of an instance's row; None where nothing is known."""
    found = getattr(getattr(instance, "_state", None), _NAME, None)
    if isinstance(found, dict):  # an instance that was pickled, or copied deeply
        found = _unpickled(found)
    return _settled(found) if isinstance(found, Notes) else None


def write(instance: Model, notes: Notes | None) -> None:
    """Replace what is known of an instance's row."""
    state = instance._state
    if notes is not None and notes.fate is not None:
        # Earlier notes of the same fate fall with these, and need not be kept.
        before, doubtful = notes.before, notes.doubtful
        while before is not None and before.fate is notes.fate:
            doubtful |= before.doubtful
            before = before.before
        notes = notes._replace(before=before, doubtful=doubtful)
    setattr(state, _NAME, notes)


def _unpickled(state: dict[str, Any]) -> Notes | None:
    """Read notes from a pickle, which another version of this library may have written."""
    try:
        return Notes(tuple(state["key"]), dict(state["known"]), frozenset(state["claims"]))
    except (KeyError, TypeError, ValueError):
        return None


def _settled(notes: Notes) -> Notes | None:
    """The latest notes that were not taken back."""
    found: Notes | None = notes
    doubtful: frozenset[str] = frozenset()
    while found is not None and (fate := found.fate) is not None:
        if fate.is_committed:
            found = found._replace(fate=None, before=None, doubtful=frozenset())
        elif fate.is_rolled_back:
            doubtful |= found.doubtful
            found = found.before
        else:
            break
    if found is None or not doubtful:
        return found
    known = {name: value for name, value in found.known.items() if name not in doubtful}
    return found._replace(known=known)
