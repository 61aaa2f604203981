"""What a callable is called, and whether a worker would find it by that name."""

import functools
import sys
from types import ModuleType
from typing import Any

import pytest

from deferred_signals import InvalidReceiver
from deferred_signals.receivers.naming import accepts_kwargs, identity, name_of, needed_by, place_of


def function(sender: object, **kwargs: object) -> None: ...


def logged(inner: Any) -> Any:
    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    return outer


@logged
def wrapped(sender: object, **kwargs: object) -> None: ...


class Service:
    def method(self, sender: object, **kwargs: object) -> None: ...

    @classmethod
    def of_the_class(cls, sender: object, **kwargs: object) -> None: ...

    @staticmethod
    def static(sender: object, **kwargs: object) -> None: ...

    def __call__(self, sender: object, **kwargs: object) -> None: ...

    class Inner:
        @classmethod
        def of_the_class(cls, sender: object, **kwargs: object) -> None: ...


class Child(Service): ...


service = Service()
partial = functools.partial(function, extra=1)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (function, "function"),
        (wrapped, "wrapped"),
        (service, "service"),
        (service.method, "service.method"),
        (Service.of_the_class, "Service.of_the_class"),
        (Child.of_the_class, "Child.of_the_class"),
        (Service.Inner.of_the_class, "Service.Inner.of_the_class"),
        (Service.static, "Service.static"),
        (partial, "partial"),
    ],
)
def test_name_is_the_path_that_leads_to_the_callable(target: object, name: str) -> None:
    assert name_of(target) == f"{__name__}.{name}"


def test_name_that_was_given_is_taken() -> None:
    assert name_of(lambda **kwargs: None, "shop.greet") == "shop.greet"


@pytest.mark.parametrize(
    "given",
    [
        "",
        3,
        object(),
        "two words",
        "a\nb",
        "a\tb",
        "a\0b",
        "a\u2028b",
        "a\u00a0b",
        "\ud800",
        "x" * 201,
    ],
)
def test_name_that_is_no_text_of_visible_characters_is_refused(given: object) -> None:
    with pytest.raises(InvalidReceiver, match="name must be a text of 1 to 200 visible"):
        name_of(function, given)


@pytest.mark.parametrize("given", ["shop.greet", "x" * 200, "grüße/bestellung:neu-1", "<lambda>"])
def test_name_of_visible_characters_is_taken(given: str) -> None:
    assert name_of(function, given) == given


def test_path_that_is_too_long_for_a_name_is_refused() -> None:
    def long(**kwargs: object) -> None: ...

    long.__qualname__ = "x" * 201
    with pytest.raises(InvalidReceiver, match="give it a name="):
        name_of(long)


def test_object_is_found_through_a_helper_of_another_module() -> None:
    module = ModuleType("tests.receivers.made_with_a_helper")
    vars(module)["called_by"], vars(module)["Base"] = called_by, Service
    sys.modules[module.__name__] = module
    source = "first = Base()\nnames = called_by(first), called_by(first.method)\n"
    try:
        exec(source, vars(module))  # noqa: S102 - a module of this test
    finally:
        del sys.modules[module.__name__]
    assert vars(module)["names"] == (f"{module.__name__}.first", f"{module.__name__}.first.method")


def called_by(target: object) -> str:
    """Connect, as a project's own helper in a module that has never heard of the object."""
    return name_of(target)


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        (function, ["sender"]),
        (wrapped, []),
        (service.method, ["sender"]),
        (partial, ["sender"]),
        (functools.lru_cache(function), []),
        (staticmethod(function), ["sender"]),
        (print, []),
        (lambda a, /, b, c=1, *d, e, f=2, **g: None, ["b", "e"]),
    ],
)
def test_needed_are_parameters_without_a_default(target: Any, needed: list[str]) -> None:
    assert needed_by(target) == needed


def nothing_else(sender: object) -> None: ...


def nested() -> Any:
    def inner(**kwargs: object) -> None: ...

    return inner


def local_method() -> Any:
    class Local:
        @classmethod
        def of_the_class(cls, **kwargs: object) -> None: ...

    return Local.of_the_class


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (lambda **kwargs: None, "A lambda .* give it a name="),
        (nested(), "A function inside a function .* give it a name="),
        (local_method(), "give it a name="),
        (Service(), "no global of .* give it a name="),
        (Service().method, "no global of .* give it a name="),
        (functools.partial(function), "no global of .* give it a name="),
        (Service.method, "without its self.* bound method"),
        (vars(Service)["of_the_class"], "after its class"),
        (7, "must be callable, got 7"),
        (None, "must be callable, got None"),
    ],
)
def test_callable_that_a_worker_would_not_find_is_refused(target: object, words: str) -> None:
    with pytest.raises(InvalidReceiver, match=words):
        name_of(target)


@pytest.mark.parametrize(
    ("target", "accepts"),
    [
        (function, True),
        (wrapped, True),
        (service, True),
        (service.method, True),
        (partial, True),
        (nothing_else, False),
        (lambda *args: None, False),
        (print, False),
        (7, False),
    ],
)
def test_kwargs_are_looked_for(target: Any, *, accepts: bool) -> None:
    assert accepts_kwargs(target) is accepts


def test_identity_of_a_bound_method_is_that_of_its_halves() -> None:
    assert identity(service.method) == identity(service.method)
    assert identity(service.method) != identity(Service().method)
    assert identity(function) != identity(wrapped)


@pytest.mark.parametrize("target", [function, wrapped, service, service.method])
def test_place_is_file_and_line(target: Any) -> None:
    assert place_of(target).startswith(f"{__file__}:")


def test_place_of_a_callable_without_code_is_its_repr() -> None:
    assert place_of(print) == repr(print)
