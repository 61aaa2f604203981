"""Find names of secrets in the kwargs of a message: the broker keeps messages, and others may read them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from deferred_signals.receivers.extractors import CLEANSED

__all__ = ["may_tell_secrets", "secret_in"]

#: Tags of forms whose fields, or keys, were chosen one by one.
_CHOSEN = frozenset({"$row", "$ref", "$request"})


def may_tell_secrets(text: str, names: frozenset[str]) -> bool:
    """Return whether one of the names stands in a JSON text, as a key or as a value.

    This look is quick. Where it finds a name, `secret_in` says whether the name is that of a secret.

    Arguments:
        text: of the kwargs' forms.
        names: those of secrets, case-folded.
    """
    return bool(names) and _pattern(names).search(text) is not None


@lru_cache(maxsize=8)
def _pattern(names: frozenset[str]) -> re.Pattern[str]:
    return re.compile(f'"(?:{"|".join(map(re.escape, sorted(names)))})"', re.IGNORECASE)


def secret_in(form: Any, names: frozenset[str]) -> str | None:
    """Find a key in a form that has the name of a secret, unless its value was cleansed.

    Arguments:
        form: the forms of kwargs by name, or a form among them.
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
