"""Names of secrets in what is about to be sent: the broker keeps messages, and others may read them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from deferred_signals.receivers.extractors import CLEANSED

__all__ = ["may_tell_secrets", "secret_in"]

#: Forms that hold nothing but what was chosen field by field, or key by key.
_CHOSEN = frozenset({"$row", "$ref", "$request"})


def may_tell_secrets(text: str, names: frozenset[str]) -> bool:
    """Look quickly whether one of the names stands in a JSON text, as a key or as a value.

    Arguments:
        text: of the encoded kwargs.
        names: those of secrets, case-folded.
    """
    return bool(names) and _pattern(names).search(text) is not None


@lru_cache(maxsize=8)
def _pattern(names: frozenset[str]) -> re.Pattern[str]:
    return re.compile(f'"(?:{"|".join(map(re.escape, sorted(names)))})"', re.IGNORECASE)


def secret_in(form: Any, names: frozenset[str]) -> str | None:
    """Find a key in an encoded value that has the name of a secret, and a value that is none of ours.

    Arguments:
        form: a dict of encoded kwargs, or what is inside.
        names: those of secrets, case-folded.
    """
    if type(form) is list:
        return next(filter(None, (secret_in(item, names) for item in form)), None)
    if type(form) is not dict or not _CHOSEN.isdisjoint(form):
        return None
    pairs = form.get("$dict", ())
    for key, item in (*form.items(), *pairs):
        if type(key) is str and key.casefold() in names and item != CLEANSED:
            return key
        found = secret_in(item, names)
        if found is not None:
            return found
    return None
