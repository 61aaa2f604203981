"""Read statements, in the order in which they run."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, ClassVar

from deferred_signals.receivers.inspection.calls import Calls
from deferred_signals.receivers.inspection.expressions import constant_text
from deferred_signals.receivers.inspection.values import Kind, Names, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deferred_signals.receivers.inspection.notes import Notes

__all__ = ["Statements"]


class Statements(Calls):
    """The reader of the statements of one function.

    Attributes:
        returns_value: whether the function returns something other than None.
        returned: by calls of helpers, whether the helper does.
        result: the value that the function returns, if it is followed.
    """

    def __init__(self, notes: Notes, names: Names) -> None:
        super().__init__(notes, names)
        self.returns_value = False
        self.returned: dict[ast.Call, bool] = {}
        self.result: Value | None = None

    def block(self, statements: list[ast.stmt]) -> None:
        """Read statements, one after another."""
        for statement in statements:
            self.visit(statement)

    def bind(self, target: ast.expr, value: Value | None, values: list[Value | None]) -> None:
        """Bind a name to another value, or note a write on what is no name.

        Arguments:
            target: what stands left of the ``=``.
            value: what the right side stands for.
            values: what the elements of the right side stand for, if it is a literal tuple.
        """
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            stars = any(isinstance(item, ast.Starred) for item in target.elts)
            known = values if len(values) == len(target.elts) and not stars else []
            for place, item in enumerate(target.elts):
                self.bind(item, known[place] if known else None, [])
        elif isinstance(target, ast.Starred):
            self.bind(target.value, None, [])
        else:
            self._write(target)

    def _write(self, target: ast.expr) -> None:
        if isinstance(target, ast.Attribute):
            base = self.given(target.value)
            if base is not None:
                self.notes.write((*base.path, target.attr))
        elif isinstance(target, ast.Subscript):
            base, key = self.value_of(target.value), constant_text(target.slice)
            self.visit(target.slice)
            if base is not None and base.kind is Kind.GIVEN:
                self.notes.write(base.path)
            elif base is not None and base.kind is Kind.ATTRIBUTES and key is not None:
                self.notes.write((*base.path, key))

    # Assignments.

    def _assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, (ast.Tuple, ast.List)):
            value, values = None, self.elements_of(node.value)
        else:
            value, values = self.value_of(node.value), []
        for target in node.targets:
            self.bind(target, value, values)
            self._note_copy(target, node.value)

    def _note_copy(self, target: ast.expr, value: ast.expr) -> None:
        """Note ``instance.pk = None``: what is saved afterwards is another row."""
        if not isinstance(target, ast.Attribute) or target.attr not in {"id", "pk"}:
            return
        base = self.given(target.value)
        if base is not None and isinstance(value, ast.Constant) and value.value is None:
            self.notes.copy(base.path)

    def _annotated_assign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.bind(node.target, self.value_of(node.value), [])

    def _augmented_assign(self, node: ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, ast.Attribute):
            base = self.given(target.value)
            if base is not None:
                self.notes.read((*base.path, target.attr))
        self.value_of(node.value)
        self.bind(target, None, [])

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.bind(target, None, [])

    # Other simple statements.

    def _expression(self, node: ast.Expr) -> None:
        self.value_of(node.value)

    def _return(self, node: ast.Return) -> None:
        if node.value is None:
            return
        value = self.value_of(node.value)
        self.result = self.result or value
        self.returns_value |= self._is_value(node.value)

    def _is_value(self, returned: ast.expr) -> bool:
        """Return whether a returned expression is something other than None, as far as one can tell."""
        if isinstance(returned, ast.Await):
            returned = returned.value
        if isinstance(returned, ast.Call):
            return self.returned.get(returned, True)
        return not (isinstance(returned, ast.Constant) and returned.value is None)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            self.names[alias.asname or alias.name.partition(".")[0]] = None

    # Compound statements.

    def _if(self, node: ast.If) -> None:
        # A body that sets a missing attribute is read before the test that the attribute is missing.
        late = _asks_for_absent(node.test)
        if not late:
            self.value_of(node.test)
        self._fork(node.body, node.orelse)
        if late:
            self.value_of(node.test)

    def _while(self, node: ast.While) -> None:
        self.value_of(node.test)
        self._fork(node.body, [])
        self.block(node.orelse)

    def _fork(self, *branches: list[ast.stmt]) -> None:
        """Read branches of which one runs; a name then stands for what any of them has made of it."""
        before = dict(self.names)
        after = dict(before)
        for branch in branches:
            self.names.clear()
            self.names.update(before)
            self.block(branch)
            for name, value in self.names.items():
                if name not in before or value != before[name]:
                    changed = after.get(name) != before.get(name)
                    after[name] = (value or after[name]) if changed else value
        self.names.clear()
        self.names.update(after)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        elements = self.elements_of(node.iter)
        self.bind(node.target, next(filter(None, elements), None), [])
        self.block(node.body)
        self.block(node.orelse)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, None, [])
        self.block(node.body)

    def _except(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        if node.name is not None:
            self.names[node.name] = None
        self.block(node.body)

    def _match(self, node: ast.Match) -> None:
        subject = self.value_of(node.subject)
        for case in node.cases:
            self._pattern(case.pattern, subject)
            if case.guard is not None:
                self.value_of(case.guard)
            self.block(case.body)

    def _pattern(self, pattern: ast.pattern, subject: Value | None) -> None:
        if isinstance(pattern, ast.MatchClass) and subject and subject.kind is Kind.GIVEN:
            for name in pattern.kwd_attrs:
                self.notes.read((*subject.path, name))
        whole = isinstance(pattern, (ast.MatchAs, ast.MatchOr))
        for child in ast.iter_child_nodes(pattern):
            if isinstance(child, ast.pattern):
                self._pattern(child, subject if whole else None)
        bound: str | None = getattr(pattern, "name", None)  # MatchAs and MatchStar have one
        if bound is not None:
            self.names[bound] = subject if whole else None

    # Functions and classes inside.

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for item in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
            if item is not None:
                self.value_of(item)
        self.names[node.name] = self.defer(node)

    def _class(self, node: ast.ClassDef) -> None:
        outer = dict(self.names)
        self.block(node.body)
        self.names.clear()
        self.names.update(outer)
        self.names[node.name] = None

    readers: ClassVar[Mapping[type[ast.AST], Callable[..., Any]]] = {
        **Calls.readers,
        ast.Assign: _assign,
        ast.AnnAssign: _annotated_assign,
        ast.AugAssign: _augmented_assign,
        ast.Delete: _delete,
        ast.Expr: _expression,
        ast.Return: _return,
        ast.Import: _import,
        ast.ImportFrom: _import,
        ast.If: _if,
        ast.While: _while,
        ast.For: _for,
        ast.AsyncFor: _for,
        ast.With: _with,
        ast.AsyncWith: _with,
        ast.ExceptHandler: _except,
        ast.Match: _match,
        ast.FunctionDef: _function,
        ast.AsyncFunctionDef: _function,
        ast.ClassDef: _class,
    }


def _asks_for_absent(test: ast.expr) -> bool:
    """Return whether a test is ``not hasattr(...)``."""
    call = test.operand if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) else None
    function = call.func if isinstance(call, ast.Call) else None
    return isinstance(function, ast.Name) and function.id == "hasattr"
