"""Receivers of other packages, which the setting ``DEFER`` names, and what became of each.

The entries are read once, when the app is made. A test that overrides the settings later must not
change how a package connects its receivers again.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.errors import InvalidReceiver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.dispatch import Signal

__all__ = ["Foreign", "Refused", "in_force", "path_of", "put_in_force", "refuse_packages_own"]


class Refused(NamedTuple):
    """A receiver that stayed in the sender's process.

    Attributes:
        signal: the signal that the package connected it to.
        reason: why it cannot be deferred.
    """

    signal: Signal
    reason: str


class Foreign:
    """The entries of ``DEFER``, and what became of each.

    Arguments:
        entries: the options of each receiver, by its dotted path.

    >>> foreign = Foreign({"shop.receivers.book": {"queue": "slow"}})
    >>> foreign.asked_for("shop.receivers.book")
    {'queue': 'slow'}
    >>> foreign.asked_for("shop.receivers.boook") is None
    True
    >>> foreign.unmatched()
    []
    >>> Foreign({"shop.receivers.book": {}}).unmatched()
    ['shop.receivers.book']
    """

    def __init__(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self.entries = dict(entries)
        self._lock = Lock()
        self._connected: set[str] = set()
        self._deferred: set[str] = set()
        self._refused: dict[str, dict[int, Refused]] = {}

    def add(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Add entries; those that are there stay as they are."""
        self.entries = {**entries, **self.entries}

    def asked_for(self, path: str) -> Mapping[str, Any] | None:
        """Note that a callable of this path is being connected; return its entry, if it has one."""
        self._connected.add(path)
        return self.entries.get(path)

    def note_deferred(self, path: str) -> None:
        """Note that a receiver was connected as a deferred one."""
        self._deferred.add(path)

    def note_refused(self, path: str, refused: Refused) -> None:
        """Note that a receiver could not be deferred.

        The first reason counts. If it is connected again, another one is that Django knows it already.
        """
        with self._lock:
            self._refused.setdefault(path, {}).setdefault(id(refused.signal), refused)

    def has_deferred(self, path: str) -> bool:
        """Return whether a receiver is deferred by its entry."""
        return path in self._deferred

    def refused(self) -> list[tuple[str, Refused]]:
        """List what could not be deferred, in the order of the entries."""
        with self._lock:
            return [
                (path, refused)
                for path in self.entries
                for refused in self._refused.get(path, {}).values()
            ]

    def unmatched(self) -> list[str]:
        """List the entries whose receivers nobody has connected."""
        return [path for path in self.entries if path not in self._connected]

    def connected(self) -> Iterable[str]:
        """Return the paths of all callables that were connected."""
        return self._connected.copy()


def path_of(function: object) -> str:
    """Return the path by which an entry names a callable: its module, and its name in there.

    An object is named by its class. A method is named by the class that defines it.

    >>> path_of(path_of)
    'deferred_signals.receivers.foreign.path_of'
    >>> path_of(Foreign({}).unmatched)
    'deferred_signals.receivers.foreign.Foreign.unmatched'
    """
    named: Any = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def refuse_packages_own(given: Mapping[str, Any]) -> None:
    """Refuse options that are not the entry's to give: what a package connects its receiver with.

    Raises:
        InvalidReceiver: there is one of them.
    """
    for name in _PACKAGES_OWN:
        if name in given:
            raise InvalidReceiver(
                f"{name}= is what the package connects its receiver with. Remove it here; to defer "
                f"some of the sends only, use when=."
            )
    if "deferred" in given:
        raise InvalidReceiver(
            f"deferred={given['deferred']!r} is not needed: a receiver that has an entry is "
            f"deferred. Remove the option, or the entry."
        )


#: Arguments of ``Signal.connect``.
_PACKAGES_OWN = ("sender", "weak", "dispatch_uid")


def in_force() -> Foreign:
    """Return the entries that are in force in this process."""
    return _in_force[0]


def put_in_force(foreign: Foreign) -> Foreign:
    """Exchange the entries that are in force, and return those that were.

    For tests; a project's are put in force when its apps are made, and stay.
    """
    before, _in_force[0] = _in_force[0], foreign
    return before


_in_force = [Foreign({})]
