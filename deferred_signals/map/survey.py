"""Make the map: who listens to which signals in this process."""

from __future__ import annotations

from inspect import iscoroutinefunction
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models.signals import ModelSignal

from deferred_signals import conf
from deferred_signals.map.declared import callables_in, deferral_of
from deferred_signals.map.entries import MappedReceiver, MappedSignal, ReceiverMap
from deferred_signals.map.names import Names, SenderName, app_of, home_of, inner_of
from deferred_signals.map.places import place_of
from deferred_signals.map.sources import declared_at, place_of_global
from deferred_signals.receivers import registry
from deferred_signals.receivers.connections import held_by, resolved
from deferred_signals.receivers.loaded import loaded_signals
from deferred_signals.receivers.owners import is_installed
from deferred_signals.receivers.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.receivers.connections import Connection, Held

__all__ = ["receiver_map"]


class _Found(NamedTuple):
    """A signal, where it is declared, and its connections."""

    name: str
    declared_at: tuple[str, str] | None
    held: list[Held]
    deferred: list[tuple[Receiver, Connection]]


def receiver_map() -> ReceiverMap:
    """Return the map of this process: what it shows is connected at this moment.

    The map has the signals that loaded modules hold, and those of deferred receivers; the receivers of
    Django and of other packages, too. No code of theirs is run.

    Raises:
        ConfigurationError: the setting ``DEFERRED_SIGNALS`` is wrong.

    >>> found = {signal.name: signal for signal in receiver_map().signals}
    >>> {receiver.runs for receiver in found["django.core.signals.request_finished"].receivers}
    {'sync'}
    """
    conf.current()
    signals = sorted(_signals(), key=lambda signal: signal.name)
    names = Names(_asked_for(signals))
    return ReceiverMap(signals=tuple(_mapped(signal, names) for signal in signals))


def _signals() -> Iterator[_Found]:
    deferred = _deferred()
    known = set()
    for signal, places in loaded_signals():
        known.add(id(signal))
        place = declared_at(places)
        yield _Found(".".join(place), place, list(held_by(signal)), deferred.get(id(signal), []))
    for receiver in sorted(registry.all_receivers(), key=lambda item: item.name):
        for signal in receiver.signals:
            if id(signal) not in known:
                known.add(id(signal))
                name = registry.name_of_signal(receiver, signal)
                yield _Found(name, None, list(held_by(signal)), deferred.get(id(signal), []))


def _deferred() -> dict[int, list[tuple[Receiver, Connection]]]:
    """Return the connections of deferred receivers, by the `id` of the signal; lazy ones, too."""
    found: dict[int, list[tuple[Receiver, Connection]]] = {}
    for receiver in registry.all_receivers():
        for connection in receiver.connections:
            found.setdefault(id(connection.signal), []).append((receiver, connection))
    return found


def _asked_for(signals: list[_Found]) -> Iterator[object]:
    """Give the `id` of everything that is to be named."""
    for signal in signals:
        for held in signal.held:
            yield held.sender
            yield from map(id, inner_of(held.function))
        for receiver, connection in signal.deferred:
            yield from map(id, inner_of(connection.sender))
            for function in callables_in(receiver.options):
                yield from map(id, inner_of(function))


def _mapped(signal: _Found, names: Names) -> MappedSignal:
    # Deferred receivers tell more of themselves than Django knows of them.
    plain = [held for held in signal.held if not issubclass(type(held.function), Receiver)]
    receivers = [_plain(held, names) for held in plain]
    receivers += [
        found
        for receiver, connection in signal.deferred
        if (found := _on_a_worker(receiver, connection, names)) is not None
    ]
    module = signal.declared_at[0] if signal.declared_at else ""
    return MappedSignal(
        name=signal.name,
        place=place_of_global(*signal.declared_at) if signal.declared_at else None,
        is_own=not (module and is_installed(module)),
        app=app_of(module),
        receivers=tuple(sorted(receivers, key=_order)),
    )


def _order(receiver: MappedReceiver) -> tuple[str, str, str, str]:
    return receiver.sender or "", receiver.name, receiver.runs, receiver.dispatch_uid or ""


def _plain(held: Held, names: Names) -> MappedReceiver:
    sender = names.of_identity(held.sender)
    home = home_of(held.function)
    return MappedReceiver(
        name=names.of(held.function),
        sender=sender.name,
        runs="async" if _is_async(held.function) else "sync",
        place=place_of(held.function),
        is_own=not is_installed(home),
        apps=_labels(app_of(home), sender),
        dispatch_uid=_text(held.uid),
    )


def _on_a_worker(receiver: Receiver, connection: Connection, names: Names) -> MappedReceiver | None:
    try:
        place = place_of(receiver.function)
    except ReferenceError:  # connected weakly, and garbage-collected meanwhile
        return None
    sender = _sender_of(connection, names)
    return MappedReceiver(
        name=receiver.name,
        sender=sender.name,
        runs="deferred",
        place=place,
        is_own=not is_installed(receiver.home),
        apps=_labels(app_of(receiver.home), sender),
        dispatch_uid=_text(connection.uid),
        deferral=deferral_of(receiver, names),
    )


def _sender_of(connection: Connection, names: Names) -> SenderName:
    sender = resolved(connection)
    if isinstance(connection.signal, ModelSignal) and isinstance(sender, str):
        return SenderName(f"{sender} (not loaded)", sender.partition(".")[0])
    return names.of_sender(sender)


def _is_async(function: Any) -> bool:
    """Return whether a callable is a coroutine function; of other objects nobody is asked."""
    inmost = function.__func__ if type(function) is MethodType else function
    return type(inmost) is FunctionType and iscoroutinefunction(inmost)


def _labels(app: str | None, sender: SenderName) -> frozenset[str]:
    return frozenset(label for label in (app, sender.app) if label is not None)


def _text(uid: object) -> str | None:
    return uid if type(uid) is str else None
