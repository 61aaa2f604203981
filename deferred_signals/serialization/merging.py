"""Merging the encoded kwargs of two sends to those of one, which loses nothing that a receiver acts on.

Forms are merged, not values. So a commit need not decode and encode anything, which could fail.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Forms = dict[str, Any]

__all__ = ["merge_kwargs"]


def merge_kwargs(earlier: Forms, later: Forms) -> Forms:
    """Merge the encoded kwargs of two sends for one instance.

    ``created`` is true if either was. ``update_fields`` and ``pk_set`` are the union, or None if
    either was None. ``changes`` go from the earlier send's old value to the later one's new value;
    a field that ends where it began stays, with the same value twice. If only one send has such a
    kwarg, the kwarg is kept as it is. Any other kwarg, and one of these in another shape than
    Django's, is the later send's.

    Arguments:
        earlier: encoded kwargs of one send.
        later: encoded kwargs of the next.

    >>> merge_kwargs({"created": True, "total": 1}, {"created": False, "total": 2})
    {'created': True, 'total': 2}
    """
    merged = dict(later)
    for name, merge in _RULES.items():
        if name in earlier:
            merged[name] = merge(earlier[name], later[name]) if name in later else earlier[name]
    return merged


def _either(earlier: Any, later: Any) -> Any:
    both = type(earlier) is bool and type(later) is bool
    return earlier or later if both else later


def _union(earlier: Any, later: Any) -> Any:
    first, last = _items(earlier), _items(later)
    if first is None or last is None:
        return None if earlier is None and last is not None else later
    # By their JSON text: a form may be a dict, and True must not equal 1.
    items = list({json.dumps(item): item for item in [*first, *last]}.values())
    return items if type(later) is list else dict.fromkeys(later, items)


def _items(form: Any) -> list[Any] | None:
    """Return the forms in the form of a set or list; None for any other form."""
    if type(form) is dict and len(form) == 1:
        form = form.get("$frozenset", form.get("$set"))
    return form if type(form) is list else None


def _first_to_last(earlier: Any, later: Any) -> Any:
    first, last = _pairs(earlier), _pairs(later)
    if first is None or last is None:
        return later
    merged = dict(first)
    for name, (old, new) in last.items():
        merged[name] = [first[name][0] if name in first else old, new]
    forms = {name: {"$tuple": pair} for name, pair in merged.items()}
    if "$dict" in earlier or "$dict" in later:
        return {"$dict": [[name, form] for name, form in forms.items()]}
    return forms


def _pairs(form: Any) -> dict[str, list[Any]] | None:
    """Return the old and the new form for each name in ``changes``; None for any other form."""
    if type(form) is not dict:
        return None
    pairs = {}
    for name, value in form.get("$dict", form.items()):
        pair = value.get("$tuple") if type(value) is dict else None
        if type(name) is not str or pair is None or len(pair) != 2:  # noqa: PLR2004 - old and new
            return None
        pairs[name] = pair
    is_tagged = any(name[:1] == "$" for name in form.keys() - {"$dict"})  # of another type
    return None if is_tagged else pairs


_RULES: dict[str, Callable[[Any, Any], Any]] = {
    "created": _either,
    "update_fields": _union,
    "pk_set": _union,
    "changes": _first_to_last,
}
