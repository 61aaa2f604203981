"""Packages whose public names are imported when they are first asked for (PEP 562).

The pytest plugin is imported whenever pytest starts, also in projects that never send a signal.
Importing a package must therefore import neither Django's models nor Celery.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["lazily"]


def lazily(package: str) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__all__``, ``__getattr__`` and ``__dir__`` of a package.

    The package's stub is the one list of its public names: type checkers and editors read the
    stub, and so does this function. Each name stands on a line of its own, ``from module import
    name as name``. A line ``from package import name as name`` stands for a public module, which
    is an attribute of the package and not in its ``__all__``.

    Arguments:
        package: its ``__name__``.
    """
    home_of = _homes(package)

    def find(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = home_of[name]
        if home == package:
            value: Any = import_module(f"{package}.{name}")
        else:
            value = getattr(import_module(home), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return sorted(name for name, home in home_of.items() if home != package), find, names


def _homes(package: str) -> dict[str, str]:
    """Read from a package's stub in which module each public name is."""
    spec: Any = sys.modules[package].__spec__
    # The loader reads the file, so that the package may also lie in a zip archive.
    stub = spec.loader.get_data(spec.origin.rpartition(".")[0] + ".pyi").decode()
    lines = (line.split() for line in stub.splitlines())
    return {words[3]: words[1] for words in lines if words[:1] == ["from"]}
