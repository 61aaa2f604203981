"""Read expressions: what they stand for, and what they ask of what the receiver was given."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, ClassVar

from deferred_signals.receivers.inspection.values import Kind, Names, Value, attributes_of, given

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deferred_signals.receivers.inspection.notes import Notes, Path
    from deferred_signals.receivers.inspection.sources import Function

__all__ = ["SAVES", "Expressions", "constant_text"]

#: Longer chains of attributes are not followed.
_LONGEST_PATH = 5

#: Methods that save an instance.
SAVES = frozenset({"asave", "save", "save_base"})


class Expressions:
    """The reader of expressions, in the order in which they are evaluated."""

    def __init__(self, notes: Notes, names: Names) -> None:
        self.notes = notes
        self.names = names

    # What subclasses do.

    def bind(self, target: ast.expr, value: Value | None, values: list[Value | None]) -> None:
        """Bind a name to another value, or note a write on what is no name."""
        raise NotImplementedError

    def defer(self, node: Function) -> Value:
        """Keep an inner function for later, as it is not known yet who calls it."""
        raise NotImplementedError

    # Values.

    def visit(self, node: ast.AST) -> Any:
        """Read a node; the value of an expression goes where it is not followed."""
        reader = self.readers.get(type(node))
        if reader is not None:
            return reader(self, node)
        for child in ast.iter_child_nodes(node):
            self.visit(child)
        return None

    def value_of(self, node: ast.expr) -> Value | None:
        """Read an expression for a use that keeps nothing of its value."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            return self._attribute_of(node)
        found: Value | None = self.visit(node)
        return found

    def given(self, node: ast.expr) -> Value | None:
        """Read an expression as `value_of` does; return its value if the receiver was given it."""
        value = self.value_of(node)
        return value if value is not None and value.kind is Kind.GIVEN else None

    def elements_of(self, node: ast.expr) -> list[Value | None]:
        """Read the elements of a tuple or list that is written out; of any other none is known."""
        if isinstance(node, (ast.Tuple, ast.List)):
            return [self.value_of(item) for item in node.elts]
        self.value_of(node)
        return []

    def _name(self, node: ast.Name) -> Value | None:
        return self._handed_on(self.names.get(node.id))

    def _attribute(self, node: ast.Attribute) -> Value | None:
        return self._handed_on(self._attribute_of(node))

    def _handed_on(self, value: Value | None) -> Value | None:
        """Note that a value goes where it is not followed: into a call, a list, a return."""
        if value is not None and value.kind in {Kind.GIVEN, Kind.ATTRIBUTES}:
            self.notes.hand_on(value.path)
        return value

    def _attribute_of(self, node: ast.Attribute) -> Value | None:
        base = self.given(node.value)
        if base is None:
            return None
        if node.attr == "__dict__":
            return attributes_of(base)
        if node.attr in SAVES:  # handed to something that calls it
            self.notes.hand_on(base.path)
        return self.read(base.path, node.attr)

    def read(self, path: Path, name: str) -> Value | None:
        """Note that an attribute is asked for."""
        if len(path) >= _LONGEST_PATH:
            return None
        self.notes.read((*path, name))
        return given(*path, name)

    def _subscript(self, node: ast.Subscript) -> Value | None:
        base = self.value_of(node.value)
        self.visit(node.slice)
        return self.item(base, constant_text(node.slice))

    def item(self, base: Value | None, key: str | None) -> Value | None:
        """Return an item of ``kwargs``, or an attribute that is asked for among the ``vars()``."""
        if base is None or key is None:
            return None
        if base.kind is Kind.KWARGS:
            return given(key)
        return self.read(base.path, key) if base.kind is Kind.ATTRIBUTES else None

    # Operators look at what they work on, and keep nothing of it.

    def _walrus(self, node: ast.NamedExpr) -> Value | None:
        value = self.value_of(node.value)
        self.bind(node.target, value, [])
        return value

    def _either(self, node: ast.IfExp) -> Value | None:
        self.value_of(node.test)
        body, orelse = self.value_of(node.body), self.value_of(node.orelse)
        return body or orelse

    def _and_or(self, node: ast.BoolOp) -> Value | None:
        values = [self.value_of(item) for item in node.values]
        return next(filter(None, values), None)

    def _compare(self, node: ast.Compare) -> None:
        self.value_of(node.left)
        for operator, item in zip(node.ops, node.comparators, strict=True):
            value = self.value_of(item)
            inside = isinstance(operator, (ast.In, ast.NotIn))
            if inside and value is not None and value.kind is Kind.ATTRIBUTES:
                self.item(value, constant_text(node.left))

    def _unary(self, node: ast.UnaryOp) -> None:
        self.value_of(node.operand)

    def _binary(self, node: ast.BinOp) -> None:
        self.value_of(node.left)
        self.value_of(node.right)

    def _formatted(self, node: ast.FormattedValue) -> None:
        self.value_of(node.value)
        if node.format_spec is not None:
            self.visit(node.format_spec)

    def _lambda(self, node: ast.Lambda) -> Value:
        for item in (*node.args.defaults, *node.args.kw_defaults):
            if item is not None:
                self.visit(item)
        return self.defer(node)

    def _comprehension(self, node: Any) -> None:
        outer = dict(self.names)
        for generator in node.generators:
            elements = self.elements_of(generator.iter)
            self.bind(generator.target, next(filter(None, elements), None), [])
            for test in generator.ifs:
                self.value_of(test)
        for part in ("key", "value", "elt"):
            if hasattr(node, part):
                self.visit(getattr(node, part))
        self.names.clear()
        self.names.update(outer)

    #: What reads a node; for an expression, it returns the value that is followed, or None.
    readers: ClassVar[Mapping[type[ast.AST], Callable[..., Any]]] = {
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.NamedExpr: _walrus,
        ast.IfExp: _either,
        ast.BoolOp: _and_or,
        ast.Compare: _compare,
        ast.UnaryOp: _unary,
        ast.BinOp: _binary,
        ast.FormattedValue: _formatted,
        ast.Lambda: _lambda,
        ast.ListComp: _comprehension,
        ast.SetComp: _comprehension,
        ast.DictComp: _comprehension,
        ast.GeneratorExp: _comprehension,
    }


def constant_text(node: ast.expr) -> str | None:
    """Return the text of an expression that is a literal text; None for any other."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
