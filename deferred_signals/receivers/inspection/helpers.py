"""Find the helpers that a receiver calls: functions and methods of its own package."""

from __future__ import annotations

import ast
import inspect
from contextlib import suppress
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from deferred_signals.receivers.inspection.sources import is_a, layers_of, node_of
from deferred_signals.receivers.inspection.values import OWNER, Names

if TYPE_CHECKING:
    from deferred_signals.receivers.inspection.sources import Function

__all__ = ["Helper", "Home", "find_helper"]

#: How deeply nested helpers are read, and how many in all: functions may call each other in circles.
_DEEPEST = 4
_MOST_HELPERS = 100


@dataclass(frozen=True)
class Home:
    """The place where a function's free names are found, and what is being read.

    Attributes:
        function: the function, or the one that it is inside of.
        owner: the object or class that it is a method of.
        around: the helpers that are being read.
        helpers: all helpers read so far.
    """

    function: FunctionType
    owner: object = None
    around: tuple[Function, ...] = ()
    helpers: list[Function] = field(default_factory=list)

    def may_read(self, node: Function) -> bool:
        """Return whether a helper is to be read: it is not being read, and there are not too many."""
        return (
            len(self.around) < _DEEPEST
            and len(self.helpers) < _MOST_HELPERS
            and not any(node is other for other in self.around)
        )

    def of(self, node: Function, function: FunctionType, owner: object) -> Home:
        """Return the home of a helper that is called from here."""
        self.helpers.append(node)
        return Home(function, owner, (*self.around, node), self.helpers)


@dataclass(frozen=True)
class Helper:
    """A function that is called.

    Attributes:
        node: its syntax tree.
        function: the function.
        owner: what it is bound to; None for a function.
    """

    node: Function
    function: FunctionType
    owner: object = None


def find_helper(called: ast.expr, names: Names, home: Home) -> Helper | None:
    """Return the helper that an expression names, if its source can be read.

    Helpers of other packages are not looked for: what Django does with an instance is in order.
    """
    target, owner = _target(called, names, home)
    if not is_a(target, FunctionType, staticmethod, classmethod):
        return None
    function = [layer.function for layer in layers_of(target)][-1]
    if _package_of(function) != _package_of(home.function):
        return None
    node = node_of(function)
    if node is None:
        return None
    return Helper(node, function, None if is_a(target, staticmethod) else owner)


def _target(called: ast.expr, names: Names, home: Home) -> tuple[Any, object]:
    """Find what is called, and what it is bound to."""
    known = home.function.__globals__
    if isinstance(called, ast.Name):
        around = _closure_of(home.function)
        found = around.get(called.id, known.get(called.id))
        return (None if called.id in names else found), None
    if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
        return None, None
    name = called.value.id
    if names.get(name) == OWNER:
        kind = home.owner if is_a(home.owner, type) else type(home.owner)
        return inspect.getattr_static(kind, called.attr, None), home.owner
    module = known.get(name)
    if name not in names and is_a(module, ModuleType):
        return vars(module).get(called.attr), None
    return None, None


def _closure_of(function: FunctionType) -> dict[str, object]:
    """Return the variables of the functions around a function, like what a decorator decorates."""
    found = {}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    for name, cell in cells:
        with suppress(ValueError):  # not bound yet
            found[name] = cell.cell_contents
    return found


def _package_of(function: FunctionType) -> str:
    return str(function.__module__).partition(".")[0]
