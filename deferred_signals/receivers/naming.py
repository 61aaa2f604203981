"""Name callables, and tell whether another process would find the same callable by its name."""

from __future__ import annotations

import inspect
import sys
import weakref
from itertools import chain, islice
from types import MethodType
from typing import TYPE_CHECKING, Any

from deferred_signals.errors import InvalidReceiver
from deferred_signals.support.modules import globals_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = [
    "A_NAME",
    "accepts_kwargs",
    "declaring_module",
    "home_of",
    "identity",
    "is_name",
    "name_of",
    "needed_by",
    "needed_by_position",
    "parameters_of",
    "place_of",
    "weakly",
]


#: What a receiver's name has to be, as it stands in logs and in messages from outside.
A_NAME = "a text of 1 to 200 visible characters without spaces"
LONGEST_NAME = 200


def is_name(value: object) -> bool:
    """Return whether a value can be the name of a receiver."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST_NAME
        and value.isprintable()
        and " " not in value
    )


def name_of(function: object, given: object = None) -> str:
    """Return the name of a receiver: the given one, or its dotted path.

    Raises:
        InvalidReceiver: the receiver is no callable, or has no path by which a worker finds it.
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
        if not is_name(given):
            raise InvalidReceiver(f"name must be {A_NAME}, got {given!r}.")
        return str(given)
    path = _path_of(function)
    for part, what in (("<lambda>", "A lambda"), ("<locals>", "A function inside a function")):
        if part in path:
            raise InvalidReceiver(
                f"{what} ({path}) cannot be found again by a worker: define it at the top of a "
                f"module, or give it a name=."
            )
    _refuse_unbound(function, path)
    if not is_name(path):
        raise InvalidReceiver(f"{path} cannot be a name, which is {A_NAME}: give it a name=.")
    return path


def home_of(function: Any) -> str:
    """Find the module that declares a receiver.

    For an object, that is the module that has it as a global, or else the nearest module whose code
    is about to connect it.
    """
    bound_to_class = inspect.ismethod(function) and isinstance(function.__self__, type)
    if inspect.isfunction(function) or isinstance(function, type) or bound_to_class:
        return str(function.__module__)
    target = function.__self__ if inspect.ismethod(function) else function
    for module, _name in _places_of_global(target):
        return module
    return declaring_module()


def declaring_module() -> str:
    """Find the module whose code is about to connect a receiver: the nearest caller outside of this package.

    Django's own code counts neither, if it connects for its caller.
    """
    return next(_calling_modules(), "")


def place_of(function: Callable[..., Any]) -> str:
    """Tell the file and line of a callable, for messages."""
    target = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(target, "__code__", None) or getattr(type(target).__call__, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def accepts_kwargs(function: Callable[..., Any]) -> bool:
    """Return whether a callable has ``**kwargs``."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters)


def parameters_of(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of a callable's parameters, except ``**kwargs``."""
    parameters = inspect.signature(function).parameters.values()
    return frozenset(item.name for item in parameters if item.kind is not item.VAR_KEYWORD)


def needed_by(function: Callable[..., Any]) -> list[str]:
    """List the parameters that a call by keyword cannot leave out."""
    kinds = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return [item.name for item in _required_parameters(function) if item.kind in kinds]


def needed_by_position(function: Callable[..., Any]) -> list[str]:
    """List the parameters that a call cannot leave out, and that have no keyword."""
    kind = inspect.Parameter.POSITIONAL_ONLY
    return [item.name for item in _required_parameters(function) if item.kind is kind]


def _required_parameters(function: Any) -> list[inspect.Parameter]:
    # A decorator's wrapper may give arguments to what it wraps, so the wrapper's signature counts.
    target = function.__func__ if isinstance(function, staticmethod) else function
    try:
        parameters = inspect.signature(target, follow_wrapped=False).parameters.values()
    except (TypeError, ValueError):  # written in C
        return []
    return [item for item in parameters if item.default is item.empty]


def identity(function: Any) -> object:
    """Return what tells a callable from others, for use as ``dispatch_uid``.

    ``Signal.connect`` and ``disconnect`` use the same. Bound methods are new objects at each access,
    so their object and their function count. Of a static method that is decorated inside its class
    the function counts, which is what the class gives later.
    """
    if isinstance(function, staticmethod):
        return id(function.__func__)
    if hasattr(function, "__func__"):
        return id(getattr(function, "__self__", None)), id(function.__func__)
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
    """Return the path of an object that is a module's global.

    Raises:
        InvalidReceiver: neither the module of its class nor a calling one has it as a global.
    """
    for module, name in _places_of_global(target):
        return f"{module}.{name}"
    modules = dict.fromkeys([type(target).__module__, *islice(_calling_modules(), 1)])
    raise InvalidReceiver(
        f"{target!r} is no global of {' or '.join(modules)}, so a worker cannot find it again: "
        f"assign it to a name at the top of the module first, or give it a name=."
    )


def _places_of_global(target: Any) -> Iterator[tuple[str, str]]:
    """Give the modules and names of an object that is a global of its class's or a calling module.

    A project may connect by a helper of its own, whose module has never heard of the object, so the
    callers' modules are asked from the inside out. Other modules are not asked: which of them have
    imported the object differs from process to process.
    """
    for module in chain([type(target).__module__], _calling_modules()):
        for name, value in globals_of(sys.modules.get(module)):
            if value is target:
                yield module, name


def _calling_modules() -> Iterator[str]:
    """Give the modules of the code that is calling, outside of this package, the nearest first.

    What Django calls for `Signal.connect` and ``@receiver`` is passed over.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - as collections.namedtuple does
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("deferred_signals.") and module not in _CONNECTING:
            yield module
        frame = frame.f_back


#: Django's modules that connect receivers for others.
_CONNECTING = frozenset(
    {"django.apps.registry", "django.db.models.signals", "django.dispatch.dispatcher"}
)


def _refuse_unbound(function: object, path: str) -> None:
    """Refuse a function of a class body that needs ``self``: it would be called without."""
    if inspect.isfunction(function) and "." in function.__qualname__:
        first = next(iter(inspect.signature(function).parameters), "")
        if first in {"self", "cls"}:
            raise InvalidReceiver(
                f"{path} is a method without its {first}. Decorate the bound method after the "
                f"class: receiver(...)(Class.method) or receiver(...)(module_level_object.method)."
            )


def weakly(function: Any) -> Callable[[], Callable[..., Any] | None]:
    """Make a reference that does not keep a function or a bound method alive.

    For methods it does what `weakref.WeakMethod` does, whose callbacks fail when the object and the
    function die at once.
    """
    if not inspect.ismethod(function):
        return weakref.ref(function)
    owner, method = weakref.ref(function.__self__), weakref.ref(function.__func__)

    def find() -> Callable[..., Any] | None:
        halves = owner(), method()
        return None if None in halves else MethodType(halves[1], halves[0])  # type: ignore[arg-type]  # neither is None

    return find
