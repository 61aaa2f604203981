"""Find where receivers are in the code, and write places."""

from __future__ import annotations

from functools import partial
from inspect import getattr_static
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from deferred_signals.map.entries import Place
from deferred_signals.map.names import module_and_name
from deferred_signals.map.sources import place_of_global

__all__ = ["in_short", "place_of"]

#: How many decorators around a function are looked through.
_MOST = 50

_FUNCTIONS = (FunctionType, MethodType, partial)


def place_of(function: Any) -> Place | None:
    """Return where a callable begins; of an object, where its class has ``__call__``."""
    for _ in range(_MOST):
        kind = type(function)
        if issubclass(kind, type):
            return place_of_global(*module_and_name(function))
        # Not `function.__wrapped__`: an object may answer for any attribute by code of its own.
        wrapped = getattr_static(function, "__wrapped__", None)
        if kind is MethodType:
            function = function.__func__
        elif kind is partial:
            function = function.func
        elif type(wrapped) in _FUNCTIONS:
            function = wrapped
        elif kind is FunctionType:
            return Place(function.__code__.co_filename, function.__code__.co_firstlineno)
        else:
            function = getattr_static(kind, "__call__", None)
    return None


def in_short(place: Place | None) -> str:
    """Write a place as a path relative to the working directory, or to the folder of packages.

    >>> in_short(Place("/usr/lib/python3/site-packages/wagtail/signals.py", 7))
    'wagtail/signals.py:7'
    >>> in_short(None)
    ''
    """
    if place is None:
        return ""
    path = Path(place.file)
    packages = [number for number, part in enumerate(path.parts) if part.endswith("-packages")]
    if packages:
        path = Path(*path.parts[packages[-1] + 1 :])
    elif path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return str(path) if place.line is None else f"{path}:{place.line}"
