"""Walk through a receiver, its inner functions, and the helpers that it calls."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from deferred_signals.receivers.inspection.helpers import Helper, Home, find_helper
from deferred_signals.receivers.inspection.sources import parameters_of
from deferred_signals.receivers.inspection.statements import Statements
from deferred_signals.receivers.inspection.values import (
    KWARGS,
    OWNER,
    Kind,
    Names,
    Value,
    function_of,
    given,
)

if TYPE_CHECKING:
    from deferred_signals.receivers.inspection.notes import Notes
    from deferred_signals.receivers.inspection.sources import Function, Layer

__all__ = ["walk_layer"]


def walk_layer(layer: Layer, node: Function, notes: Notes) -> bool:
    """Note what a function does with its kwargs; return whether it returns a value.

    Arguments:
        layer: the function.
        node: its syntax tree.
        notes: what is noted so far, and gets more.
    """
    names: Names = {}
    for place, name in enumerate(parameters_of(node)):
        is_owner = place == 0 and layer.bound > 0 and layer.owner is not None
        free = place >= layer.bound and name not in layer.fixed and name != "signal"
        names[name] = given(name) if free else OWNER if is_owner else None
    _add_stars(node, names, KWARGS)
    walk = _Walk(notes, names, Home(layer.function, layer.owner))
    walk.run(node)
    return walk.returns_value


class _Walk(Statements):
    """The walk through one function."""

    def __init__(self, notes: Notes, names: Names, home: Home) -> None:
        super().__init__(notes, names)
        self._home = home
        self._inside: list[tuple[Function, Names]] = []
        self._called: list[Function] = []

    def run(self, node: Function) -> Value | None:
        """Walk through the body, and then through the inner functions that nobody called."""
        if isinstance(node, ast.Lambda):
            self.result = self.value_of(node.body)
        else:
            self.block(node.body)
        for inner, names in self._inside:
            if not any(inner is called for called in self._called) and self._home.may_read(inner):
                home = self._home.of(inner, self._home.function, self._home.owner)
                _Walk(self.notes, {**self.names, **names}, home).run(inner)
        return self.result

    def defer(self, node: Function) -> Value:
        """Keep an inner function for later, as it is not known yet who calls it."""
        names = {**self.names, **dict.fromkeys(parameters_of(node))}
        _add_stars(node, names, None)
        self._inside.append((node, names))
        return function_of(node)

    def follow(self, node: ast.Call) -> tuple[bool, Value | None]:
        """Walk through the function that is called, if it is to be read, and return its value."""
        helper = self._inner(node.func) or find_helper(node.func, self.names, self._home)
        if helper is None or not self._home.may_read(helper.node):
            return False, None
        is_inside = helper.function is self._home.function
        names = dict(self.names) if is_inside else {}
        names.update(self._given_to(helper, node))
        home = self._home.of(helper.node, helper.function, helper.owner)
        walk = _Walk(self.notes, names, home)
        value = walk.run(helper.node)
        self.returned[node] = walk.returns_value or isinstance(helper.node, ast.Lambda)
        return True, value

    def _inner(self, called: ast.expr) -> Helper | None:
        value = self.names.get(called.id) if isinstance(called, ast.Name) else None
        if value is None or value.kind is not Kind.FUNCTION or value.node is None:
            return None
        self._called.append(value.node)
        return Helper(value.node, self._home.function, None)

    def _given_to(self, helper: Helper, call: ast.Call) -> Names:
        """Return what the parameters of a helper stand for in one call."""
        parameters = parameters_of(helper.node)
        names: Names = dict.fromkeys(parameters)
        if helper.owner is not None and parameters:
            names[parameters.pop(0)] = OWNER
        left = list(parameters)
        for item in call.args:
            if isinstance(item, ast.Starred) or not left:
                left.clear()
                self.visit(item)
            else:
                names[left.pop(0)] = self.value_of(item)
        passes_all = False
        for keyword in call.keywords:
            value = self.value_of(keyword.value)
            passes_all |= keyword.arg is None and value == KWARGS
            if keyword.arg is not None:
                names[keyword.arg] = value
                left = [name for name in left if name != keyword.arg]
        if passes_all:
            names.update({name: given(name) for name in left})
        _add_stars(helper.node, names, KWARGS if passes_all else None)
        return names


def _add_stars(node: Function, names: Names, kwargs: Value | None) -> None:
    if node.args.vararg is not None:
        names[node.args.vararg.arg] = None
    if node.args.kwarg is not None:
        names[node.args.kwarg.arg] = kwargs
