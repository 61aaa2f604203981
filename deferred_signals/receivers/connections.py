"""Know which signals and senders a deferred receiver is connected to.

``signal.disconnect`` is Django's, and tells nobody. So connections are kept under Django's own keys:
connecting again replaces an entry, and entries that Django no longer has are dropped now and then.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.db.models.signals import ModelSignal

from deferred_signals.receivers.naming import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.dispatch import Signal

__all__ = ["Connection", "Connections", "Held", "connected_by", "held_by", "resolved"]

Key = tuple[int, object, object]


class Connection(NamedTuple):
    """One connection: the arguments of ``Signal.connect``."""

    signal: Signal
    sender: Any
    uid: object


class Connections:
    """The connections of one callable to signals."""

    def __init__(self, owner: Callable[..., Any]) -> None:
        self._owner = weakref.ref(owner)
        self._kept: dict[Key, tuple[Signal, Callable[[], Any], object]] = {}
        self._prune_at = _FEW

    def __contains__(self, connection: Connection) -> bool:
        """Return whether this connection was made, and perhaps undone since."""
        kept = self._kept.get(_key(connection))
        if kept is None:
            return False
        sender = kept[1]()
        return sender is connection.sender or _is_waiting(connection)

    def add(self, connection: Connection) -> None:
        """Note a connection that was made."""
        signal, sender, uid = connection
        self._kept[_key(connection)] = signal, _reference_to(sender), uid
        if len(self._kept) > self._prune_at:
            present = dict(self._present())
            self._kept = {key: kept for key, kept in self._kept.items() if key in present}
            self._prune_at = 2 * len(self._kept) + _FEW

    def discard(self, connection: Connection) -> None:
        """Disconnect."""
        self._kept.pop(_key(connection), None)
        signal, sender, uid = connection
        signal.disconnect(sender=sender, dispatch_uid=uid)

    def clear(self) -> None:
        """Disconnect everything."""
        for _, connection in self._noted():
            self.discard(connection)
        self._kept.clear()

    def present(self) -> list[Connection]:
        """List those that nobody has disconnected, and lazy ones whose model is not loaded yet."""
        return [connection for _, connection in self._present()]

    def _present(self) -> Iterator[tuple[Key, Connection]]:
        owner = self._owner()
        known: dict[int, set[object]] = {}
        for key, connection in self._noted():
            signal = connection.signal
            if id(signal) not in known:
                own = [held for held in list(signal.receivers) if _callable_of(held) is owner]
                known[id(signal)] = {held[_KEY] for held in own}
            if _is_waiting(connection) or _django_key(connection) in known[id(signal)]:
                yield key, connection

    def _noted(self) -> Iterator[tuple[Key, Connection]]:
        for key, (signal, find, uid) in list(self._kept.items()):
            sender = find()
            if sender is not _GONE:
                yield key, Connection(signal, sender, uid)


#: So few entries are not worth looking through.
_FEW = 64

#: Stands for a sender that has died; nothing can be sent from it any more.
_GONE = object()


def connected_by(connection: Connection) -> object:
    """Return the callable that Django has connected so; None where there is no such connection."""
    wanted = _django_key(connection)
    for held in list(connection.signal.receivers):
        if held[_KEY] == wanted:
            return _callable_of(held)
    return None


class Held(NamedTuple):
    """What Django keeps of one connection.

    Attributes:
        function: the callable that is connected.
        sender: the `identity` of the sender; that of None stands for all senders.
        uid: the ``dispatch_uid``, or else the `identity` of the callable.
    """

    function: Any
    sender: object
    uid: object


def held_by(signal: Signal) -> Iterator[Held]:
    """Give the connections of a signal, but those whose callable has died."""
    for held in list(signal.receivers):
        function = _callable_of(held)
        if function is not None:
            uid, sender = held[_KEY]
            yield Held(function, sender, uid)


# Django has no public way to ask which connections a signal has. In all supported versions an item
# of `Signal.receivers` begins with a connection's key and its callable, or a weak reference to it.

_KEY, _CALLABLE = 0, 1


def _callable_of(held: tuple[Any, ...]) -> object:
    """Return the callable of an item; None where the callable has died."""
    found = held[_CALLABLE]
    # Not `isinstance`, which would ask a lazy object for its class, and so make it do its work.
    return found() if issubclass(type(found), weakref.ReferenceType) else found


def _django_key(connection: Connection) -> object:
    return connection.uid, identity(resolved(connection))


def resolved(connection: Connection) -> Any:
    """Return the sender of a connection; of a lazy one, the model of that name once it is loaded."""
    sender = connection.sender
    if isinstance(sender, str) and isinstance(connection.signal, ModelSignal):
        label, _, name = sender.partition(".")
        try:
            return apps.get_registered_model(label, name)
        except LookupError:
            pass
    return sender


def _is_waiting(connection: Connection) -> bool:
    """Return whether a connection is for a model that is not loaded yet, so that Django only noted it."""
    is_named = isinstance(connection.sender, str) and isinstance(connection.signal, ModelSignal)
    return is_named and resolved(connection) is connection.sender


def _key(connection: Connection) -> Key:
    if _is_waiting(connection):
        return id(connection.signal), connection.sender.lower(), connection.uid
    return id(connection.signal), identity(resolved(connection)), connection.uid


def _reference_to(sender: Any) -> Callable[[], Any]:
    """Return what gives a sender without keeping it alive, as Django does not either."""
    try:
        reference = weakref.ref(sender)
    except TypeError:
        return lambda: sender
    if hasattr(sender, "__func__"):  # a bound method, which is made anew by each access
        return lambda: sender

    def find() -> Any:
        found = reference()
        return _GONE if found is None else found

    return find
