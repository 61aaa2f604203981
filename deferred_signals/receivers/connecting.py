"""Register and connect what was declared, as a whole or not at all."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from deferred_signals.errors import DuplicateReceiver
from deferred_signals.receivers import registry
from deferred_signals.receivers.conditions import Changed, track
from deferred_signals.receivers.connections import Connection, connected_by
from deferred_signals.receivers.declarations import declared
from deferred_signals.receivers.naming import identity, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from django.dispatch import Signal

    from deferred_signals.receivers.declarations import Declaration
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["connect_deferred"]


def connect_deferred(
    function: Callable[..., Any],
    signals: list[Signal],
    given: Mapping[str, Any],
    kind: type[Receiver],
) -> None:
    """Register a receiver and connect it, after everything that can be refused was looked at.

    Arguments:
        function: the user's callable.
        signals: its signals.
        given: its options, with those of ``Signal.connect``.
        kind: the class of the receiver that is made, if there is none yet.

    Raises:
        RegistrationError, ConfigurationError: it cannot be deferred so. Nothing was connected.
    """
    if _connect_again(function, signals, given):
        return
    declaration = declared(function, signals, given)
    receiver, is_new = _registered(declaration, kind)
    signals_before = list(receiver.signals)
    made: list[Connection] = []
    try:
        _track(declaration)
        for connection, entry in declaration.connections:
            if receiver.connect(connection, entry, weak=declaration.weak):
                made.append(connection)
        if is_new:
            receiver.declare()
    except BaseException:
        if is_new:
            receiver.forget()
        else:
            receiver.take_back(made, signals_before)
        raise
    if not declaration.weak:
        receiver.hold()
    _remember(receiver, function, given)


def _track(declaration: Declaration) -> None:
    """Have ``changed()`` follow the models before the receiver, which asks for changes, is connected."""
    condition = declaration.options.when
    if isinstance(condition, Changed):
        for connection, _entry in declaration.connections:
            track(condition, connection.sender)


def _registered(declaration: Declaration, kind: type[Receiver]) -> tuple[Receiver, bool]:
    """Return the receiver of the declared name, and whether it was made now.

    Raises:
        DuplicateReceiver: another receiver has the name, or an alias.
    """
    function, name, options = declaration.function, declaration.name, declaration.options
    for taken in (name, *options.aliases):
        present = registry.find(taken)
        if present is None:
            continue
        is_same = present.is_for(function)
        if is_same and present.name == name and present.options == options:
            return present, False
        if present.was_reloaded_as(function):
            present.disconnect()
            registry.discard(present)
            continue
        if not is_same:
            raise DuplicateReceiver(
                f"{taken!r} names two receivers: one at {present.place}, one at "
                f"{place_of(function)}. Give one of them another name=."
            )
        raise DuplicateReceiver(
            f"{taken!r} is deferred with two sets of options, at {present.place} and at "
            f"{place_of(function)}. Use the same options, or give one of them another name=."
        )
    new = kind(function, name, options, weak=declaration.weak)
    registry.add(new)
    return new, True


# Some projects disconnect and connect again thousands of times. A declaration that was looked at
# once, for the same function, options, signal and sender, needs no second look.

_known: weakref.WeakValueDictionary[Hashable, Receiver] = weakref.WeakValueDictionary()


def _remember(receiver: Receiver, function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    key = _key_of(function, given)
    if key is not None:
        _known[key] = receiver


def _connect_again(
    function: Callable[..., Any], signals: list[Signal], given: Mapping[str, Any]
) -> bool:
    """Connect as it was done before; return False where it was not, or not just so."""
    key = _key_of(function, given)
    found = None if key is None else _known.get(key)
    if found is None or registry.find(found.name) is not found or not found.is_for(function):
        return False
    sender, uid = given.get("sender"), given.get("dispatch_uid") or identity(function)
    senders = sender if isinstance(sender, (list, tuple)) else (sender,)
    wanted = [Connection(one, other, uid) for one in signals for other in senders]
    if not wanted or not all(found.has_connected(connection) for connection in wanted):
        return False
    present = [connected_by(connection) for connection in wanted]
    if not all(item is None or item is found for item in present):
        return False
    weak = bool(given.get("weak", True))
    for connection, item in zip(wanted, present, strict=True):
        if item is None:
            found.connect_again(connection, weak=weak)
    if not weak:
        found.hold()
    return True


def _key_of(function: Callable[..., Any], given: Mapping[str, Any]) -> Hashable:
    """Return what identifies a function with its options; None where an option can change in place."""
    try:
        return identity(function), frozenset(
            item for item in given.items() if item[0] not in {"sender", "weak"}
        )
    except TypeError:
        return None
