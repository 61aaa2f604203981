"""Reading a receiver's source: whatever it is, reading it raises nothing."""

import ast
import functools
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deferred_signals.receivers.inspection import Findings, forget_sources, inspect_receiver


def functions() -> Iterator[FunctionType]:
    """Yield all functions and methods of the loaded modules: Python's, Django's, Celery's."""
    for _, module in sorted(sys.modules.items()):
        for value in list(getattr(module, "__dict__", {}).values()):
            owned = list(vars(value).values()) if issubclass(type(value), type) else [value]
            for item in owned:
                is_bound = issubclass(type(item), (classmethod, staticmethod))
                function = item.__func__ if is_bound else item
                if issubclass(type(function), FunctionType):
                    yield function


ALL = list(dict.fromkeys(functions()))


@given(st.sampled_from(ALL))
def test_no_function_of_python_or_django_makes_reading_fail(function: Any) -> None:
    found = inspect_receiver(function)
    forget_sources()
    assert found is None or isinstance(found, Findings)


def test_most_functions_are_found_in_their_files() -> None:
    some = [item for item in ALL if item.__module__ == ast.__name__]
    assert sum(inspect_receiver(function) is not None for function in some) > len(some) * 0.9


class Hostile:
    """Answers for every attribute, and is whatever it is asked to be."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __call__(self, sender: Any, **kwargs: Any) -> None:
        kwargs["instance"]._old.touch()  # noqa: SLF001 - to be read, never run


def made_in_a_circle() -> Any:
    """Make a receiver that wraps itself, as decorators may bring about."""

    def in_a_circle(sender: Any, **kwargs: Any) -> None:
        in_a_circle(sender, **kwargs)

    in_a_circle.__wrapped__ = in_a_circle  # type: ignore[attr-defined]  # what wraps() sets
    return in_a_circle


def moved(sender: Any, **kwargs: Any) -> None:
    """Never run: the code claims to stand at another line."""


moved.__code__ = moved.__code__.replace(co_firstlineno=10_000)


#: Each is made by its test: to show one, pytest would ask it for its class.
TARGETS: list[tuple[Callable[[], Any], bool]] = [
    (Hostile, True),
    (lambda: functools.partial(Hostile()), True),
    (made_in_a_circle, True),
    (lambda: functools.lru_cache(made_in_a_circle()), True),
    (lambda: functools.partial(functools.partial(made_in_a_circle()), sender=None), True),
    (lambda: staticmethod(made_in_a_circle()), True),
    (Mock, True),  # its __call__ is Python code
    (lambda: moved, False),
    (lambda: print, False),
    (lambda: dict, False),
    (lambda: None, False),
    (lambda: eval("lambda **kwargs: 1"), False),  # noqa: S307 - has no source
]


@pytest.mark.parametrize(("make", "is_read"), TARGETS, ids=map(str, range(len(TARGETS))))
def test_any_object_may_be_read(make: Callable[[], Any], is_read: bool) -> None:
    assert (inspect_receiver(make()) is not None) is is_read
