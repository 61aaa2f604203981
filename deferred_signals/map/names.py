"""Name callables and senders of any kind, without running code of theirs.

Nothing here reads an attribute of an object whose type is not known: it could be a property.
"""

from __future__ import annotations

from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import AppConfig, apps
from django.db.models import Model

from deferred_signals.map.sources import declared_at
from deferred_signals.receivers.loaded import found_by_id
from deferred_signals.receivers.naming import identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Names", "SenderName", "app_of", "home_of", "inner_of", "module_and_name"]

_FUNCTIONS = (FunctionType, BuiltinFunctionType)


class SenderName(NamedTuple):
    """The name of a sender, None for all senders; and the label of the app that it belongs to."""

    name: str | None
    app: str | None


#: A sender that no module holds, and of which Django keeps no more than its `id`.
UNKNOWN = SenderName("an unknown sender", None)


class Names:
    """Names of callables and senders.

    An object that a module holds has a dotted path. Of any other the class is named, in angle brackets.

    Arguments:
        wanted: the `id` of each object that will be asked for, as far as they are known before.
    """

    def __init__(self, wanted: Iterable[object]) -> None:
        self._senders: dict[object, Any] = {
            identity(sender): sender
            for sender in (
                None,
                *apps.get_models(include_auto_created=True, include_swapped=True),
                *apps.get_app_configs(),
            )
        }
        # A sender that is a bound method has an identity of two numbers, and is no module's.
        self._loaded = found_by_id({key for key in wanted if isinstance(key, int)})

    def of(self, function: Any) -> str:
        """Return the dotted path of a callable.

        >>> names = Names([])
        >>> names.of(home_of), names.of(partial(home_of)), names.of("{}".format)
        ('deferred_signals.map.names.home_of', 'partial(deferred_signals.map.names.home_of)', '<builtins.str>.format')
        """
        kind = type(function)
        if kind is FunctionType or _is_in_c(function):
            return f"{function.__module__}.{function.__qualname__}"
        if kind in {MethodType, BuiltinFunctionType}:
            name = self.of(function.__func__) if kind is MethodType else function.__name__
            return f"{self.of(function.__self__)}.{name.rpartition('.')[2]}"
        if kind is partial:
            return f"partial({self.of(function.func)})"
        if issubclass(kind, type):
            return _path_of(function)
        found = self._loaded.get(id(function))
        return f"<{_path_of(kind)}>" if found is None else ".".join(declared_at(found.places))

    def of_identity(self, key: object) -> SenderName:
        """Return the name of a sender of which only the identity is known."""
        if key in self._senders:
            return self.of_sender(self._senders[key])
        found = self._loaded.get(key) if isinstance(key, int) else None
        return UNKNOWN if found is None else self.of_sender(found.value)

    def of_sender(self, sender: Any) -> SenderName:
        """Return the name of a sender of any kind."""
        kind = type(sender)
        if sender is None:
            return SenderName(None, None)
        if kind is str:
            return SenderName(repr(sender), None)
        if kind is ModuleType:
            name = str(vars(sender).get("__name__"))
            return SenderName(name, app_of(name))
        if issubclass(kind, AppConfig):
            return SenderName(_path_of(kind), sender.label)
        if issubclass(kind, type) and issubclass(sender, Model):
            return SenderName(sender._meta.label, sender._meta.app_label)
        return SenderName(self.of(sender), app_of(home_of(sender)))


def inner_of(function: Any) -> Iterator[Any]:
    """Give a callable, and what it is made of: the object of a method, the function of a partial."""
    yield function
    if type(function) is MethodType:
        yield from inner_of(function.__self__)
    elif type(function) is partial:
        yield from inner_of(function.func)


def home_of(function: Any) -> str:
    """Return the name of the module that a callable is from; of another object, that of its class."""
    *_, inmost = inner_of(function)
    kind = type(inmost)
    if kind in _FUNCTIONS:
        return str(inmost.__module__)
    return module_and_name(inmost if issubclass(kind, type) else kind)[0]


def app_of(module: str) -> str | None:
    """Return the label of the Django app that a module belongs to."""
    found = [
        config for config in apps.get_app_configs() if f"{module}.".startswith(f"{config.name}.")
    ]
    return max(found, key=lambda config: len(config.name)).label if found else None


def _is_in_c(function: Any) -> bool:
    """Return whether an object is a function of a module that is written in C."""
    return type(function) is BuiltinFunctionType and type(function.__self__) is ModuleType


def module_and_name(kind: type) -> tuple[str, str]:
    """Return the module of a class, and its name within; a metaclass may have properties of these names."""
    return (
        str(type.__dict__["__module__"].__get__(kind)),
        str(type.__dict__["__qualname__"].__get__(kind)),
    )


def _path_of(kind: type) -> str:
    return ".".join(module_and_name(kind))
