"""Find where modules declare what they hold, by their sources."""

from __future__ import annotations

import linecache
import re
import sys
from typing import TYPE_CHECKING

from deferred_signals.map.entries import Place
from deferred_signals.receivers.owners import is_installed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["declared_at", "place_of_global"]


def place_of_global(module: str, name: str) -> Place | None:
    """Return where a module assigns a name, or declares a class; without a line if that is not found.

    Arguments:
        module: the module's name.
        name: a global of the module, or the attribute of a class: ``"Orders.placed"``.
    """
    file = getattr(sys.modules.get(module), "__dict__", {}).get("__file__")
    if not isinstance(file, str):
        return None
    indent = r"\s+" if "." in name else ""
    first = re.compile(rf"{indent}(?:class\s+)?{re.escape(name.rpartition('.')[2])}\s*[=:(]")
    for number, line in enumerate(linecache.getlines(file), start=1):
        if first.match(line):
            return Place(file, number)
    return Place(file, None)


def declared_at(places: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Return which of the places that hold an object declares it, and has not imported it.

    Where no source tells, a package declares it rather than the project, and a module called "signals"
    rather than another.
    """

    def unlikelihood(place: tuple[str, str]) -> tuple[bool, bool, bool, int, str]:
        module, name = place
        found, path = place_of_global(module, name), f"{module}.{name}"
        return (
            found is None or found.line is None,
            not is_installed(module),
            not module.endswith("signals"),
            len(path),
            path,
        )

    return min(places, key=unlikelihood)
