"""Note what is known of a row: its values as they were last read or saved, while that stays true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.support.unknown import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model

    from deferred_signals.receivers.changes.fates import Fate

__all__ = ["Notes", "notes_of", "write"]

#: The attribute of ``instance._state`` that holds the notes.
_NAME = "deferred_signals_notes"


class Notes(NamedTuple):
    """What is known of one row.

    Notes are replaced and never altered, as copies of an instance share them.

    Attributes:
        key: the kept values of the row's primary key, one for each of its fields.
        known: kept values by the names of fields; nothing is known of any other field.
        claims: fields whose values come from the arguments that the instance was made with. Nobody
            has seen those values in the database, unless the instance turns out to be loaded.
        fate: whether the notes stay true, where that is not decided yet.
        before: the notes that hold if they do not.
        doubtful: fields that are unknown if they do not, as what was read was not what was known
            before.
    """

    key: tuple[Any, ...]
    known: Mapping[str, Any]
    claims: frozenset[str] = frozenset()
    fate: Fate | None = None
    before: Notes | None = None
    doubtful: frozenset[str] = frozenset()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, and copy deeply, as a dict of what is sure, which is readable without this library."""
        now = _still_true(self)
        if now is None:
            return dict, ()
        return dict, ({"key": now.key, "known": now.sure(), "claims": now.claims},)

    def without_claims(self) -> Notes | None:
        """Return what was seen in the database; None where nothing was."""
        known = {name: value for name, value in self.known.items() if name not in self.claims}
        return self._replace(known=known, claims=frozenset()) if known else None

    def sure(self) -> dict[str, Any]:
        """Return the values that hold however the transaction ends."""
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
    """Return what holds now of an instance's row; None where nothing is known."""
    found = getattr(getattr(instance, "_state", None), _NAME, None)
    if isinstance(found, dict):  # an instance that was pickled, or copied deeply
        found = _unpickled(found)
    return _still_true(found) if isinstance(found, Notes) else None


def write(instance: Model, notes: Notes | None) -> None:
    """Replace what is known of an instance's row."""
    state = instance._state
    if notes is not None and notes.fate is not None:
        # Earlier notes of the same fate end with these, so they need not be kept.
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


def _still_true(notes: Notes) -> Notes | None:
    """Return the latest notes that were not rolled back."""
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
