"""Find the syntax trees of the functions that a callable consists of."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache, partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

__all__ = ["Function", "Layer", "forget_sources", "is_a", "layers_of", "node_of", "parameters_of"]

#: A node that has parameters and a body.
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

#: How many stacked decorators are looked through; some go in circles.
_MOST_LAYERS = 20


@dataclass(frozen=True)
class Layer:
    """One function of a receiver: the receiver's own, or a decorator's around it.

    Attributes:
        function: the function.
        bound: how many of its first parameters have an argument already, like ``self``.
        fixed: the names of parameters that have an argument already.
        owner: what a method is bound to.
    """

    function: FunctionType
    bound: int = 0
    fixed: frozenset[str] = frozenset()
    owner: object = None


def is_a(value: object, *kinds: type) -> bool:
    """Return whether a value is of one of the types; ``isinstance`` would evaluate lazy objects."""
    return issubclass(type(value), kinds)


def layers_of(target: Any) -> Iterator[Layer]:
    """Give the functions that a callable consists of, the innermost last."""
    bound, fixed, owner = 0, frozenset[str](), None
    for _ in range(_MOST_LAYERS):
        if is_a(target, partial):
            bound, fixed = bound + len(target.args), fixed | target.keywords.keys()
            target = target.func
        elif is_a(target, MethodType):
            bound, owner = bound + 1, target.__self__
            target = target.__func__
        elif is_a(target, staticmethod, classmethod):
            target = target.__func__
        elif is_a(target, FunctionType):
            yield Layer(target, bound, fixed, owner)
            target = _wrapped(target)
        else:
            call = inspect.getattr_static(type(target), "__call__", None)
            if is_a(call, FunctionType):
                yield Layer(call, bound + 1, fixed, target)
            target = _wrapped(target)
        if target is None:
            return


def _wrapped(target: object) -> Any:
    """Return what `functools.wraps` noted on a wrapper, without asking the wrapper for attributes."""
    try:
        return object.__getattribute__(target, "__dict__").get("__wrapped__")
    except AttributeError:
        return None


def node_of(function: FunctionType) -> Function | None:
    """Return the syntax tree of a function; None where its source is missing, or is another's."""
    code = function.__code__
    try:
        lines, _ = inspect.findsource(code)
        found = _functions_in("".join(lines)).get((code.co_firstlineno, code.co_name), [])
    # The file may have changed since, or be no text; the last two errors are the parser's.
    except (OSError, TypeError, IndexError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    names = _parameters_of(code)
    found = [node for node in found if parameters_of(node) == names]
    if len(found) > 1:  # lambdas in one line
        places = {(line, column) for line, _, column, _ in code.co_positions()}
        found = [node for node in found if _begin_of(node) in places] or found
    return found[0] if found else None


def parameters_of(node: Function) -> list[str]:
    """Return the names of all parameters but ``*args`` and ``**kwargs``."""
    arguments = node.args
    return [item.arg for item in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _parameters_of(code: CodeType) -> list[str]:
    return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def _begin_of(node: Function) -> tuple[int, int]:
    body = node.body if isinstance(node, ast.Lambda) else node.body[0]
    return body.lineno, body.col_offset


def forget_sources() -> None:
    """Free the memory that the syntax trees of whole files take."""
    _functions_in.cache_clear()


@lru_cache(maxsize=64)
def _functions_in(source: str) -> dict[tuple[int, str], list[Function]]:
    """Find all functions of a file, by their first line and name."""
    found: dict[tuple[int, str], list[Function]] = defaultdict(list)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Lambda):
            found[node.lineno, "<lambda>"].append(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
            found[first, node.name].append(node)
    return dict(found)
