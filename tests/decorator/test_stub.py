"""The stub, which type checkers and editors read, says of each option what the table of options says."""

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deferred_signals import connect, decorator, receiver
from deferred_signals.receivers.options import OPTIONS

STUB = ast.parse(Path(str(decorator.__file__)).with_suffix(".pyi").read_text(encoding="utf-8"))
DJANGOS = ["sender", "weak", "dispatch_uid"]


def overloads(name: str) -> list[ast.FunctionDef]:
    """Return the two heads of a function: for receivers that are deferred, and for others."""
    return [node for node in STUB.body if isinstance(node, ast.FunctionDef) and node.name == name]


def options(head: ast.FunctionDef) -> dict[str, tuple[str, ast.expr | None]]:
    """Return the options that a head has, with their types and defaults."""
    found = zip(head.args.kwonlyargs, head.args.kw_defaults, strict=True)
    return {
        item.arg: (ast.unparse(item.annotation) if item.annotation else "", default)
        for item, default in found
        if item.arg != "deferred"
    }


def meanings(head: ast.FunctionDef) -> Iterator[str]:
    """Give the lines of a head's docstring that tell what options mean."""
    lines = [line.strip() for line in str(ast.get_docstring(head)).splitlines()]
    return (line for line in lines if line.partition(":")[0] in OPTIONS)


@pytest.mark.parametrize("name", ["receiver", "connect"])
def test_each_option_is_a_parameter_with_its_default_and_meaning(name: str) -> None:
    deferred, plain = overloads(name)
    found = options(deferred)
    assert [*found] == [*OPTIONS]
    for option, (_type, default) in found.items():
        if isinstance(default, ast.Constant) and default.value is ...:
            continue  # which a stub has for a default that is no literal
        assert default is not None
        assert ast.literal_eval(default) == OPTIONS[option].default
    expected = [f"{option}: {told.meaning}." for option, told in OPTIONS.items()]
    assert [*meanings(deferred)] == expected
    assert [*options(plain)] == DJANGOS
    assert [line.partition(":")[0] for line in meanings(plain)] == DJANGOS


def test_options_of_both_functions_have_the_same_types() -> None:
    types = [
        {option: kind for option, (kind, _default) in options(overloads(name)[0]).items()}
        for name in ("receiver", "connect")
    ]
    assert types[0] == types[1]
    assert all(types[0].values())


@pytest.mark.parametrize("function", [receiver, connect])
def test_other_parameters_are_those_of_the_function(function: Callable[..., Any]) -> None:
    own = [*inspect.signature(function).parameters]
    for head in overloads(function.__name__):
        named = [*head.args.args, *head.args.kwonlyargs]
        assert [item.arg for item in named] == own[: len(named)]
