"""A signal that a module holds, which is the only kind that the map finds by itself."""

import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from django.dispatch import Signal

from deferred_signals.map import MappedReceiver, MappedSignal, receiver_map

#: The module of `placed`; it is a module of the project's, as no package installed it.
HOME = "tests.map.of_this_test"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Make a module for the length of a test."""
    module = ModuleType(HOME)
    monkeypatch.setitem(sys.modules, HOME, module)
    return module


@pytest.fixture
def placed(home: ModuleType) -> Signal:
    """Make a signal that is a global of that module, called "placed"."""
    signal = Signal()
    vars(home)["placed"] = signal
    return signal


@pytest.fixture
def mapped() -> Callable[..., MappedSignal]:
    """Give what the map has of a signal, which is `placed` unless it is named."""

    def mapped(name: str = f"{HOME}.placed") -> MappedSignal:
        (found,) = [signal for signal in receiver_map().signals if signal.name == name]
        return found

    return mapped


@pytest.fixture
def only(mapped: Callable[..., MappedSignal]) -> Callable[..., MappedReceiver]:
    """Give the one connection that the map has of a signal."""

    def only(*name: str) -> MappedReceiver:
        (found,) = mapped(*name).receivers
        return found

    return only
