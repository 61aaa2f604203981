"""The modules that are loaded, and what they hold, while other threads import.

Going through ``sys.modules.items()`` ends with an error if a module is imported meanwhile, even within
``list()``: it makes tuples, so that garbage may be collected, and any thread may go on. A copy of a
dictionary is made at one stroke.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import ItemsView

__all__ = ["globals_of", "loaded_modules"]


def loaded_modules() -> ItemsView[str, Any]:
    """Return the names and modules that are loaded now."""
    return sys.modules.copy().items()


def globals_of(module: object) -> ItemsView[str, Any]:
    """Return the names and values of a module's globals.

    Arguments:
        module: an entry of ``sys.modules``, which may be any object, or nothing.
    """
    return dict(getattr(module, "__dict__", {})).items()
