"""What a dotted path leads to among the modules that are loaded; nothing is imported or run."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any

__all__ = ["find_object", "find_path", "path_of"]


def path_of(kind: type) -> str:
    """The name of a type in a payload."""
    return f"{kind.__module__}.{kind.__qualname__}"


#: Characters of the longest path that leads anywhere.
LONGEST_PATH = 1000


def find_object(module: str, qualname: str) -> object:
    """The object of a module and a name within; None if it is not there.

    Attributes are read from dictionaries, so that no property and no module's ``__getattr__`` runs.
    """
    if len(module) + len(qualname) > LONGEST_PATH:
        return None
    if module == "builtins" and qualname == "NoneType":  # the sender where nobody was logged in
        return type(None)
    found: Any = sys.modules.get(module)
    for step in qualname.split(".") if qualname else ():
        if type(found) is ModuleType and step in vars(found):  # what is asked for nearly always
            found = vars(found)[step]
        else:
            found = inspect.getattr_static(found, step, None)
    return found


def find_path(path: str) -> object:
    """The object of a dotted path of which the module's part is not told; None if it is not there."""
    module, _, rest = path.rpartition(".")
    while module and len(path) <= LONGEST_PATH:
        if module in sys.modules:
            return find_object(module, rest)
        module, _, last = module.rpartition(".")
        rest = f"{last}.{rest}"
    return None
