"""Hint, in errors, at the known name that was probably meant by a misspelt one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["nearest", "resembles"]


def nearest(name: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None) -> str:
    """Tell the known name that is nearest to a misspelt one, or else all known names.

    Arguments:
        name: the misspelt name.
        known: the right names.
        synonyms: other words for some of the right names; they may be misspelt too.

    >>> nearest("exlude", ["exclude", "raw"])
    "Did you mean 'exclude'?"
    >>> nearest("x", ["exclude", "raw"])
    'Known names: exclude, raw.'
    >>> nearest("x", [])
    'There are none.'
    """
    known = sorted(known)
    meant = {word.lower(): right for word, right in (synonyms or {}).items()}
    meant |= {item.lower(): item for item in known}
    matches = difflib.get_close_matches(name.lower(), meant, n=1)
    if matches:
        return f"Did you mean {meant[matches[0]]!r}?"
    return f"Known names: {', '.join(known)}." if known else "There are none."


def resembles(name: str, right: str) -> bool:
    """Return whether a name is probably a misspelling of another.

    >>> [resembles(name, "deferred") for name in ("defered", "differed", "sender")]
    [True, True, False]
    """
    return difflib.SequenceMatcher(None, name.lower(), right).ratio() >= _ALIKE


#: From this ratio on (1 is equal), two names are probably meant to be the same.
_ALIKE = 0.7
