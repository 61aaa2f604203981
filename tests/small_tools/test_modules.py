"""The modules that are loaded are looked through while other threads import."""

import gc
import sys
from collections.abc import Iterator
from itertools import count
from types import ModuleType

import pytest
from django.dispatch import Signal

from deferred_signals.receivers import registry
from deferred_signals.support.modules import globals_of, loaded_modules

placed = Signal()

PREFIX = "tests_imported_meanwhile_"


@pytest.fixture
def imports() -> Iterator[ModuleType]:
    """Import a module, and define a global of another one, whenever garbage is collected: very often.

    Collecting garbage is when other threads go on in the midst of what looks like one step.
    """
    numbers, module = count(), ModuleType("tests_defining")

    def act(phase: str, information: object) -> None:
        number = next(numbers)
        if number < 5000:
            sys.modules[f"{PREFIX}{number}"] = ModuleType("tests_imported")
            setattr(module, f"name_{number}", number)

    thresholds = gc.get_threshold()
    gc.callbacks.append(act)
    gc.set_threshold(1)
    yield module
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(act)
    for name in [name for name in sys.modules if name.startswith(PREFIX)]:
        del sys.modules[name]


def test_import_meanwhile_ends_no_look(imports: ModuleType) -> None:
    found = [[*loaded_modules()], [*globals_of(imports)]]
    assert all(len(one) > 0 for one in found)


def test_first_send_finds_the_name_of_its_signal_during_an_import(imports: ModuleType) -> None:
    assert registry.path_of(placed) == f"{__name__}.placed"


def test_entry_that_is_no_module_has_no_globals() -> None:
    assert [*globals_of(None)] == []
