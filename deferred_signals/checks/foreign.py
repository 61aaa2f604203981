"""E013, E014: entries of the setting ``DEFER`` that defer nothing."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error

from deferred_signals import conf
from deferred_signals.checks.common import message, receivers, register
from deferred_signals.errors import ConfigurationError, RegistrationError
from deferred_signals.receivers import foreign, registry
from deferred_signals.receivers.connections import held_by
from deferred_signals.receivers.given import options_of
from deferred_signals.receivers.loaded import loaded_signals
from deferred_signals.support.modules import globals_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.receivers.foreign import Foreign

__all__: list[str] = []


@register()
def check_foreign() -> list[CheckMessage]:
    """Run E013 and E014: an entry of ``DEFER`` matches no receiver, or cannot be deferred."""
    if conf.problems():
        return []
    found = foreign.in_force()
    return [*_unmatched(found), *_refused(found)] if found.entries else []


def _refused(found: Foreign) -> Iterator[CheckMessage]:
    """Tell of what stayed in the sender's process, and of options that no receiver can have."""
    told = set()
    for path, (signal, reason) in found.refused():
        told.add(path)
        name = registry.path_of(signal)
        yield _cannot(path, f" as a receiver of {name}" if name else "", reason)
    for path in found.entries:
        if path not in told:
            try:
                foreign.refuse_packages_own(found.entries[path])
                options_of(found.entries[path])
            except (ConfigurationError, RegistrationError) as error:
                yield _cannot(path, "", str(error))


def _cannot(path: str, where: str, reason: str) -> CheckMessage:
    return message(
        Error,
        "E014",
        f"DEFERRED_SIGNALS['DEFER'] names {path!r}, which cannot be deferred{where}, and runs in the "
        f"sender's process: {reason}",
        "Correct the options of the entry, or remove it.",
    )


def _unmatched(found: Foreign) -> Iterator[CheckMessage]:
    unmatched = found.unmatched()
    if not unmatched:
        return
    by_code = {
        path: receiver.place
        for receiver in receivers()
        if not found.has_deferred(path := foreign.path_of(receiver))
    }
    plain = {
        known
        for signal in loaded_signals()
        for held in held_by(signal.value)
        if (known := _path_or_none(held.function)) is not None
    }
    names = {*found.connected(), *plain} - by_code.keys()
    for path in unmatched:
        if path in by_code:
            why = f"code defers it already, at {by_code[path]}, and the options there are in force"
            hint = "Remove the entry."
        elif path in plain:
            why = "it was connected before the app deferred_signals was made"
            hint = _FIRST
        else:
            why = "no receiver of this name was connected to a signal"
            hint = _hint(path, names)
        yield message(Error, "E013", f"DEFERRED_SIGNALS['DEFER'] names {path!r}, but {why}.", hint)


_FIRST = (
    "Put 'deferred_signals' first in INSTALLED_APPS. If it is there already, a module that the settings "
    "import connects the receiver, or the class of its signal has a connect() of its own."
)


def _path_or_none(function: object) -> str | None:
    try:
        return foreign.path_of(function)
    except Exception:  # noqa: BLE001 - an object may answer for its attributes by code of its own
        return None


def _hint(path: str, known: set[str]) -> str:
    """Tell the names that were probably meant, or else why nobody connects this one."""
    module, name = _loaded_part(path)
    meant = _nearest(path, known)
    if meant:
        hint = f"Did you mean {' or '.join(map(repr, meant))}?"
        return hint if module else f"{hint} If not, is its app in INSTALLED_APPS?"
    if not module:
        return "Its module is not loaded. Is its app in INSTALLED_APPS?"
    if all(name != present for present, _value in globals_of(sys.modules[module])):
        return f"{module} has no {name}. Its package may have renamed it."
    return (
        "It is there, and nobody has connected it: perhaps another setting of its package turns it "
        "off, or connects it later than in ready(), where no worker would know it. Remove the entry, "
        "or connect the receiver by deferred_signals.connect()."
    )


def _nearest(path: str, known: set[str]) -> list[str]:
    """List the names that are nearest: first those that differ in the module only."""
    name = path.rpartition(".")[2]
    same = sorted(item for item in known if item.rpartition(".")[2] == name)
    found = difflib.get_close_matches(path, same, n=3, cutoff=0)
    found += difflib.get_close_matches(path, sorted(known), n=3, cutoff=_ALIKE)
    return list(dict.fromkeys(found))[:3]


def _loaded_part(path: str) -> tuple[str, str]:
    """Return the module of a path, and the name that follows; no module if that is not loaded."""
    module, _, name = path.rpartition(".")
    while module and module not in sys.modules:
        module, _, name = module.rpartition(".")
    holder = dict(globals_of(sys.modules.get(module)))
    is_package_only = "__path__" in holder and name not in holder
    return ("" if is_package_only else module), name


#: From this ratio on (1 is equal), two paths are probably meant to be the same.
_ALIKE = 0.75
