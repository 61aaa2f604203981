"""Tell whether a signal is the project's own, or one of Django's or of another installed package.

The code of a package that sends its signal has never heard of deferral, and must not fail by it.
"""

from __future__ import annotations

import site
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from deferred_signals.receivers import registry

if TYPE_CHECKING:
    from django.dispatch import Signal

__all__ = ["is_installed", "is_projects_own"]

#: Packages that are no project's, wherever they lie.
_PACKAGES = frozenset({"django", __name__.partition(".")[0]})

#: Folders of installed packages, wherever they are.
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def is_projects_own(signal: Signal) -> bool:
    """Return whether the project declares a signal, as opposed to Django or an installed package.

    A project imports the signals of packages, and packages import none of the project's. So a signal
    that a module of a package holds is the package's, whoever else holds it. A signal that no module
    holds is the project's.
    """
    return not any(is_installed(name) for name in registry.modules_of(signal))


def is_installed(name: str) -> bool:
    """Return whether a module is part of Django, of an installed package, or of the standard library.

    A package that is installed in editable mode lies elsewhere, and counts as the project's. So does
    the package of the settings, which a deployment may install like any other. This library is none of
    the project's in any case.
    """
    top = name.partition(".")[0]
    if top in _PACKAGES:
        return True
    if top == (getattr(settings, "SETTINGS_MODULE", None) or "").partition(".")[0]:
        return False
    # Not the attribute, for which a module may have a `__getattr__`.
    file = getattr(sys.modules.get(name), "__dict__", {}).get("__file__")
    if not isinstance(file, str):
        return name in sys.builtin_module_names
    path = Path(file)
    return not _INSTALLED.isdisjoint(path.parts) or any(map(path.is_relative_to, _folders()))


@cache
def _folders() -> tuple[Path, ...]:
    """List where pip installs packages, and where the standard library is."""
    paths = sysconfig.get_paths()
    found = [paths[key] for key in ("purelib", "platlib", "stdlib", "platstdlib")]
    found += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(Path(item) for item in dict.fromkeys(found))
