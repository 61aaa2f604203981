"""Know which receivers there are, under which names, and which signals they listen to.

The registry is what a worker goes by: a message names a receiver, and only what was registered
here by the project's own code can be called.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from deferred_signals.errors import NotKnownHere, UnknownReceiver
from deferred_signals.receivers.loaded import found_by_id
from deferred_signals.support.hints import nearest
from deferred_signals.support.modules import globals_of, loaded_modules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.dispatch import Signal

    from deferred_signals.receivers.receiver import Receiver

__all__ = [
    "add",
    "all_receivers",
    "discard",
    "find",
    "find_signal",
    "get",
    "modules_of",
    "name_of_signal",
    "path_of",
]


_receivers: dict[str, Receiver] = {}


def add(receiver: Receiver) -> None:
    """Register a receiver under its name and its aliases, in place of any that had them.

    It is discarded when its function dies, if it was connected weakly.
    """
    for name in (receiver.name, *receiver.options.aliases):
        _receivers[name] = receiver
    receiver.when_gone(discard)


def discard(receiver: Receiver) -> None:
    """Forget a receiver, where its names are still its own."""
    for name in (receiver.name, *receiver.options.aliases):
        if _receivers.get(name) is receiver:
            del _receivers[name]


def find(name: str) -> Receiver | None:
    """Return the receiver of a name or alias, if there is one."""
    return _receivers.get(name)


def get(name: str) -> Receiver:
    """Return the receiver of a name or alias.

    Raises:
        UnknownReceiver: there is none; the error names the nearest one.
    """
    try:
        return _receivers[name]
    except KeyError:
        hint = nearest(name, _receivers) if _receivers else "No deferred receiver is registered."
        raise UnknownReceiver(
            f"No deferred receiver is called {name!r} in this process. {hint} "
            f"Is its module imported in AppConfig.ready()?"
        ) from None


def all_receivers() -> Iterator[Receiver]:
    """Give every receiver once, in the order of registration."""
    return iter({id(receiver): receiver for receiver in _receivers.values()}.values())


def name_of_signal(receiver: Receiver, signal: Signal) -> str:
    """Return a name by which `find_signal` finds the signal in another process.

    That is the signal's dotted path, if the signal is a module's attribute. Else it is the
    receiver's name, and the signal's place among those that the receiver listens to.
    """
    return path_of(signal) or f"{receiver.name}#{_place(receiver, signal)}"


def path_of(signal: Signal) -> str | None:
    """Return the dotted path of a signal that is a module's attribute; None for any other."""
    if id(signal) not in _signal_names:
        _signal_names[id(signal)] = signal, _path_of(signal)
    return _signal_names[id(signal)][1]


def modules_of(signal: Signal) -> set[str]:
    """Return the names of the modules that hold a signal: as an attribute, or inside of one.

    Inside means in a container, or in a class that the module declares.
    """
    return {
        name
        for name, module in loaded_modules()
        for _name, value in globals_of(module)
        if value is signal or any(item is signal for item in _inside(value, name))
    }


def find_signal(receiver: Receiver, name: str) -> Signal:
    """Find the signal of a name among those that the receiver listens to in this process.

    Raises:
        NotKnownHere: the receiver listens to no such signal; a newer version of it may.
    """
    for place, signal in enumerate(receiver.signals):
        if name == name_of_signal(receiver, signal) or name.endswith(f"#{place}"):
            return signal
        if _is_at(name, signal):
            return signal
    if len(receiver.signals) == 1:
        # The sending process may know the signal by a module that is not loaded here.
        return receiver.signals[0]
    raise NotKnownHere(
        f"Receiver {receiver.name!r} listens to no signal {name!r} in this process.", name
    )


#: Paths found so far, by the signal's `id`, as signals need not be hashable. The signal is kept
#: beside its path, so that no other object can come to have its `id`.
_signal_names: dict[int, tuple[Signal, str | None]] = {}


def _is_at(path: str, signal: Signal) -> bool:
    module, _, attribute = path.rpartition(".")
    return getattr(sys.modules.get(module), "__dict__", {}).get(attribute) is signal


def _path_of(signal: Signal) -> str | None:
    found = found_by_id({id(signal)}).get(id(signal))
    paths = [".".join(place) for place in found.places] if found else []
    # Modules import one another's signals; a module called "signals" is likely to declare them.
    return min(paths, key=lambda path: (".signals." not in path, len(path), path), default=None)


def _inside(value: Any, module: str) -> list[Any]:
    """List what a container holds, or a class that the module declares."""
    kind = type(value)
    if kind is dict:
        return list(value.values())
    if kind in {list, tuple, set, frozenset}:
        return list(value)
    if issubclass(kind, type) and vars(value).get("__module__") == module:
        return list(vars(value).values())
    return []


def _place(receiver: Receiver, signal: Signal) -> int:
    for place, item in enumerate(receiver.signals):
        if item is signal:
            return place
    raise LookupError(f"Receiver {receiver.name!r} does not listen to {signal!r}.")
