"""Read calls: of functions that look at attributes, of methods, and of helpers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, ClassVar

from deferred_signals.receivers.inspection.expressions import SAVES, Expressions, constant_text
from deferred_signals.receivers.inspection.values import KWARGS, Kind, Value, attributes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Calls"]

#: Methods that change a list or a dict, and that no manager or QuerySet has.
_CHANGES = frozenset({"append", "extend", "insert", "setdefault"})
#: These, and the other such methods of what is known to be a dict or a session.
_CHANGES_OF_DICTS = _CHANGES | {"clear", "flush", "pop", "popitem", "set_expiry", "update"}

#: Functions and methods that look at what they are given and keep nothing of it.
_LOOKS = frozenset(
    {"bool", "id", "isinstance", "issubclass", "len", "print", "repr", "str", "type"}
)
_LOGS = frozenset({"critical", "debug", "error", "exception", "info", "log", "warn", "warning"})


class Calls(Expressions):
    """The reader of calls."""

    def follow(self, node: ast.Call) -> tuple[bool, Value | None]:
        """Read the function that is called; return whether there was one to read, and its value."""
        raise NotImplementedError

    def _call(self, node: ast.Call) -> Value | None:
        reader = self.builtins.get(self._name_of(node.func)) if node.args else None
        if reader is not None:
            found: Value | None = reader(self, node)
            return found
        followed, value = self.follow(node)
        if followed:
            return value
        if not isinstance(node.func, ast.Attribute):
            self.value_of(node.func)
            self._arguments(node)
            return None
        base = self.value_of(node.func.value)
        if base is None and node.func.attr in {"aupdate", "update"}:
            self.notes.update(keyword.arg for keyword in node.keywords if keyword.arg is not None)
        if base is not None and base.kind is Kind.GIVEN:
            self._method_of_given(base, node.func.attr, node)
            return None
        if base is not None and base.kind in {Kind.KWARGS, Kind.ATTRIBUTES}:
            return self._method_of_dict(base, node.func.attr, node)
        self._arguments(node)
        return None

    def _name_of(self, function: ast.expr) -> str:
        """Return the name of a function, unless the receiver itself defines the name."""
        if isinstance(function, ast.Name):
            return "" if function.id in self.names else function.id
        if isinstance(function, ast.Call):
            made_by = function.func
            name = getattr(made_by, "attr", getattr(made_by, "id", ""))
            return name if name == "attrgetter" else ""
        return "cast" if isinstance(function, ast.Attribute) and function.attr == "cast" else ""

    def _arguments(self, node: ast.Call) -> None:
        """Read arguments, whose values are given to code that is not read here."""
        visit = self.value_of if _only_looks(node.func) else self.visit
        for item in (*node.args, *(keyword.value for keyword in node.keywords)):
            visit(item)

    def _getattr(self, node: ast.Call) -> Value | None:
        base = self.given(node.args[0])
        for item in node.args[1:]:
            self.value_of(item)
        name = constant_text(node.args[1]) if len(node.args) > 1 else None
        return None if base is None or name is None else self.read(base.path, name)

    def _setattr(self, node: ast.Call) -> None:
        base = self.given(node.args[0])
        for item in node.args[1:]:
            self.visit(item)
        name = constant_text(node.args[1]) if len(node.args) > 1 else None
        if base is not None and name is not None:
            self.notes.write((*base.path, name))

    def _vars(self, node: ast.Call) -> Value | None:
        base = self.given(node.args[0])
        return None if base is None else attributes_of(base)

    def _cast(self, node: ast.Call) -> Value | None:
        return self.value_of(node.args[-1])

    def _attrgetter(self, node: ast.Call) -> None:
        """Read ``attrgetter("name")(instance)``."""
        base = self.given(node.args[0])
        for item in node.func.args if isinstance(node.func, ast.Call) else ():
            name = constant_text(item)
            if base is not None and name is not None:
                self.notes.read((*base.path, *name.split(".")))

    def _dict(self, node: ast.Call) -> Value | None:
        base = self.value_of(node.args[0])
        for keyword in node.keywords:
            self.visit(keyword.value)
        return base if base == KWARGS else None

    def _method_of_dict(self, base: Value, name: str, node: ast.Call) -> Value | None:
        """Read a call of a method of ``kwargs``, or of the ``vars()`` of something given."""
        for item in (*node.args[1:], *(keyword.value for keyword in node.keywords)):
            self.value_of(item)
        if name == "copy":
            return base
        if name == "update" and base.kind is Kind.ATTRIBUTES:
            for keyword in node.keywords:
                self.notes.write((*base.path, keyword.arg or "*"))
        if name not in {"get", "pop", "setdefault"} or not node.args:
            return None
        return self.item(base, constant_text(node.args[0]))

    def _method_of_given(self, base: Value, name: str, node: ast.Call) -> None:
        self.read(base.path, name)
        self._arguments(node)
        is_dict = base.path[0] == "request" and len(base.path) > 1
        if name in SAVES:
            names = {keyword.arg for keyword in node.keywords}
            self.notes.save(base.path, fields="update_fields" in names or None in names)
        elif name in (_CHANGES_OF_DICTS if is_dict else _CHANGES):
            self.notes.write(base.path)
        elif not name.startswith("get_"):
            # A method may save or use what was written before; its source is not read.
            self.notes.hand_on(base.path)

    builtins: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "attrgetter": _attrgetter,
        "cast": _cast,
        "delattr": _setattr,
        "dict": _dict,
        "getattr": _getattr,
        "hasattr": _getattr,
        "setattr": _setattr,
        "vars": _vars,
    }

    readers: ClassVar[Mapping[type[ast.AST], Callable[..., Any]]] = {
        **Expressions.readers,
        ast.Call: _call,
    }


def _only_looks(function: ast.expr) -> bool:
    """Return whether a call keeps nothing of what it is given, as one that logs."""
    if isinstance(function, ast.Name):
        return function.id in _LOOKS
    return isinstance(function, ast.Attribute) and function.attr in _LOGS
