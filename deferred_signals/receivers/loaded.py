"""Look through the modules that are loaded, without running any code of theirs.

An attribute of a foreign object may be a property, and even ``isinstance`` asks an object for its
``__class__``, which makes Django's lazy objects do their work. So the values of modules are read from
dictionaries, and only their types are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.dispatch import Signal

from deferred_signals.support.modules import globals_of, loaded_modules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Loaded", "found_by_id", "loaded_signals"]


class Loaded(NamedTuple):
    """An object that modules hold, and where: the name of each module, and the object's name within."""

    value: Any
    places: list[tuple[str, str]]


def loaded_signals() -> list[Loaded]:
    """List the signals that modules hold, or classes that modules declare."""
    found: dict[int, Loaded] = {}
    for module, name, value in _globals():
        for inner, item in ((name, value), *_attributes(module, name, value)):
            if issubclass(type(item), Signal):
                found.setdefault(id(item), Loaded(item, [])).places.append((module, inner))
    return list(found.values())


def found_by_id(wanted: Collection[int]) -> dict[int, Loaded]:
    """Find objects that modules hold.

    Arguments:
        wanted: the `id` of each object.
    """
    found: dict[int, Loaded] = {}
    for module, name, value in _globals() if wanted else ():
        if id(value) in wanted:
            found.setdefault(id(value), Loaded(value, [])).places.append((module, name))
    return found


def _globals() -> Iterator[tuple[str, str, Any]]:
    """Give each global of each module: the module's name, its own, and its value."""
    for module, holder in loaded_modules():
        if module != "__main__":
            for name, value in globals_of(holder):
                yield module, name, value


#: What gives the attributes of a class without asking the class, which may answer by code of its own.
_ATTRIBUTES = type.__dict__["__dict__"]


def _attributes(module: str, name: str, value: object) -> list[tuple[str, Any]]:
    """List the attributes of a class that a module declares."""
    if not issubclass(type(value), type):
        return []
    found = dict(_ATTRIBUTES.__get__(value))
    if found.get("__module__") != module:
        return []
    return [(f"{name}.{attribute}", item) for attribute, item in found.items()]
