"""What a callable is called, and whether another process would find the same one by that name."""

from __future__ import annotations

import inspect
import sys
import weakref
from types import MethodType
from typing import TYPE_CHECKING, Any

from deferred_signals.errors import InvalidReceiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = [
    "accepts_kwargs",
    "home_of",
    "identity",
    "name_of",
    "parameters_of",
    "place_of",
    "weakly",
]


def name_of(function: object, given: object = None) -> str:
    """The name of a receiver: the one that was given, or its dotted path.

    Raises:
        InvalidReceiver: it is no callable, or has no path that leads back to it.
    """
    if not callable(function):
        raise InvalidReceiver(
            f"A receiver must be callable, got {function!r}."
            + (
                " Decorate a class method after its class: receiver(...)(Class.method)."
                if isinstance(function, (classmethod, staticmethod))
                else ""
            )
        )
    if given is not None:
        if not isinstance(given, str) or not given:
            raise InvalidReceiver(f"name must be a text, got {given!r}.")
        return given
    path = _path_of(function)
    for part, what in (("<lambda>", "A lambda"), ("<locals>", "A function inside a function")):
        if part in path:
            raise InvalidReceiver(
                f"{what} ({path}) cannot be found again by a worker: define it at the top of a "
                f"module, or give it a name=."
            )
    _refuse_unbound(function, path)
    return path


def home_of(function: Any) -> str:
    """The module that declares a receiver: of an object, the one whose code decorates it."""
    bound_to_class = inspect.ismethod(function) and isinstance(function.__self__, type)
    if inspect.isfunction(function) or isinstance(function, type) or bound_to_class:
        return str(function.__module__)
    return next(iter(_calling_modules()), "")


def place_of(function: Callable[..., Any]) -> str:
    """File and line of a callable, for messages."""
    target = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(target, "__code__", None) or getattr(type(target).__call__, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def accepts_kwargs(function: Callable[..., Any]) -> bool:
    """Whether a callable has ``**kwargs``."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters)


def parameters_of(function: Callable[..., Any]) -> frozenset[str]:
    """The names that a callable's signature has: what it asks for beside ``**kwargs``."""
    parameters = inspect.signature(function).parameters.values()
    return frozenset(item.name for item in parameters if item.kind is not item.VAR_KEYWORD)


def identity(function: Any) -> object:
    """What ``Signal.connect`` and ``disconnect`` know a callable by, when given as ``dispatch_uid``.

    Bound methods are new objects at each access, so they go by their two halves.
    """
    if hasattr(function, "__func__"):
        return id(function.__self__), id(function.__func__)
    return id(function)


def _path_of(function: Callable[..., Any]) -> str:
    owner = getattr(function, "__self__", None)
    if inspect.ismethod(function) and isinstance(owner, type):
        return f"{owner.__module__}.{owner.__qualname__}.{function.__name__}"
    if inspect.ismethod(function):
        return f"{_path_of_object(owner)}.{function.__name__}"
    if hasattr(function, "__qualname__"):
        return f"{function.__module__}.{function.__qualname__}"
    return _path_of_object(function)


def _path_of_object(target: Any) -> str:
    """The path of an object that is a module's global: its class's module, or the one that decorates it.

    Other modules may have imported the object too, which ones differs from process to process.
    """
    modules = [type(target).__module__, *_calling_modules()]
    for module in modules:
        for name, value in list(vars(sys.modules.get(module, sys)).items()):
            if value is target and module in sys.modules:
                return f"{module}.{name}"
    raise InvalidReceiver(
        f"{target!r} is no global of {' or '.join(dict.fromkeys(modules))}, so a worker cannot find "
        f"it again: assign it to a name at the top of the module first, or give it a name=."
    )


def _calling_modules() -> list[str]:
    """The module of the code that decorates: the nearest frame outside this package."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - as collections.namedtuple does
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("deferred_signals."):
            return [module]
        frame = frame.f_back
    return []


def _refuse_unbound(function: object, path: str) -> None:
    """A function in a class body that waits for ``self`` would be called without it."""
    if inspect.isfunction(function) and "." in function.__qualname__:
        first = next(iter(inspect.signature(function).parameters), "")
        if first in {"self", "cls"}:
            raise InvalidReceiver(
                f"{path} is a method without its {first}. Decorate the bound method after the "
                f"class: receiver(...)(Class.method) or receiver(...)(module_level_object.method)."
            )


def weakly(function: Any) -> Callable[[], Callable[..., Any] | None]:
    """A reference that does not keep a function or a bound method alive.

    For methods as `weakref.WeakMethod`, whose callbacks complain when both halves die at once.
    """
    if not inspect.ismethod(function):
        return weakref.ref(function)
    owner, method = weakref.ref(function.__self__), weakref.ref(function.__func__)

    def find() -> Callable[..., Any] | None:
        halves = owner(), method()
        return None if None in halves else MethodType(halves[1], halves[0])  # type: ignore[arg-type]  # neither is None

    return find
