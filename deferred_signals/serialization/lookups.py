"""Finding objects by their dotted paths, in loaded modules only: nothing is imported or run."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any

__all__ = ["find_object", "find_path", "path_of"]


def path_of(kind: type) -> str:
    """Return the dotted path of a type, which is its name in messages."""
    return f"{kind.__module__}.{kind.__qualname__}"


#: Characters of the longest path that is looked up.
LONGEST_PATH = 1000

#: Where Python says that the type of None is, and it is not. It is the sender of `user_logged_out` if
#: nobody was logged in.
_TYPE_OF_NONE = ("builtins", "NoneType")


def find_object(module: str, qualname: str) -> object:
    """Find an object by its module and its name within; None if it is not there.

    Attributes are read from dictionaries, so that no property and no module's ``__getattr__`` runs.
    """
    if len(module) + len(qualname) > LONGEST_PATH:
        return None
    if (module, qualname) == _TYPE_OF_NONE:
        return type(None)
    found: Any = sys.modules.get(module)
    for step in qualname.split(".") if qualname else ():
        if type(found) is ModuleType and step in vars(found):  # the usual case
            found = vars(found)[step]
        else:
            found = inspect.getattr_static(found, step, None)
    return found


def find_path(path: str) -> object:
    """Find an object by its dotted path; None if it is not there.

    The longest beginning of the path that is a loaded module's name is taken for the module.
    """
    module, _, rest = path.rpartition(".")
    while module and len(path) <= LONGEST_PATH:
        if module in sys.modules:
            return find_object(module, rest)
        module, _, last = module.rpartition(".")
        rest = f"{last}.{rest}"
    return None
