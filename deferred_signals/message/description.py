"""Describe a message where anybody may read it: its receiver, the names of its kwargs, and rows.

A description says which rows a message refers to, by their models and keys. It shows no other
values. All of a message is data from outside, so what is shown is escaped and cut, and the work
of describing one message is bounded.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps

from deferred_signals.message.keys import shown_key
from deferred_signals.support.escaping import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

__all__ = ["Described", "bounded", "describe", "describe_kwargs", "described"]

#: How much of one message is shown: names of kwargs, rows, characters of a name and of a model's
#: label, and characters in all.
MOST_NAMES = 30
MOST_ROWS = 10
MOST_OF_A_NAME = 40
MOST_OF_A_LABEL = 100
MOST_OF_ALL = 1000

#: Forms that are looked into.
MOST_FORMS = 10_000


def describe(receiver: object, kwargs: object, sender: object) -> str:
    """Describe the message that has these parts, whatever they are.

    >>> describe("shop.receivers.greet", {"instance": {"$ref": ["shop.Order", 7, "default"]}}, None)
    'shop.receivers.greet(instance=shop.Order 7)'
    """
    name = shown(receiver) if isinstance(receiver, str) else "?"
    return f"{name}({describe_kwargs(kwargs, sender)})"


def describe_kwargs(kwargs: object, sender: object = None) -> str:
    """Describe the kwargs of a message: their names, and the rows that each refers to.

    Arguments:
        kwargs: their forms, by name.
        sender: the sender's form; the sender is shown where it refers to a row, as few senders do.

    >>> describe_kwargs({"lines": [{"$ref": ["shop.Line", n, "default"]} for n in (1, 2)], "total": 9})
    'lines=[shop.Line 1, shop.Line 2], total'
    """
    return described(kwargs, sender).text


class Described(NamedTuple):
    """What a message is called.

    Attributes:
        text: names the kwargs, and the rows that each refers to.
        first_row: the first of these rows; empty where there is none.
    """

    text: str
    first_row: str


def described(kwargs: object, sender: object) -> Described:
    """Describe the kwargs of a message, and the first row that it refers to.

    Arguments:
        kwargs: their forms, by name.
        sender: the sender's form.

    >>> described({"total": 9, "order": {"$ref": ["shop.Order", 7, "default"]}}, None)
    Described(text='total, order=shop.Order 7', first_row='shop.Order 7')
    """
    if not isinstance(kwargs, dict):
        return Described("?", "")
    look = _Look()
    parts = [
        f"{_show_name(name)}{look.rows_in(form)}" if type(form) in _HOLDERS else _show_name(name)
        for name, form in islice(kwargs.items(), MOST_NAMES)
    ]
    if type(sender) in _HOLDERS and (rows := look.rows_in(sender)):
        parts.append(f"sender{rows}")
    if len(kwargs) > MOST_NAMES or look.is_over:
        parts.append("...")
    return Described(bounded(", ".join(parts)), look.first)


def _describe_row(label: object, key: str) -> str:
    """Describe a row by the label of its model and its key.

    Arguments:
        label: of the model.
        key: as it is shown.
    """
    if not isinstance(label, str):
        return f"? {key}"
    known = len(label) <= MOST_OF_A_LABEL and _LABEL.fullmatch(label)
    return f"{label if known else quoted(label, MOST_OF_A_LABEL)} {key}"


def _show_name(name: object) -> str:
    """Show the name of a kwarg, which may be any text: names also come by ``**``."""
    if not isinstance(name, str):
        return "?"
    if name.isidentifier() and len(name) <= MOST_OF_A_NAME:
        return name
    is_clear = name.isprintable() and not _CONFUSING.search(name)
    return shown(name, MOST_OF_A_NAME) if is_clear else quoted(name, MOST_OF_A_NAME)


def bounded(text: str) -> str:
    """Cut a description that is too long to be read."""
    return text if len(text) <= MOST_OF_ALL else f"{text[:MOST_OF_ALL]}..."


#: Characters that could make a name look like another one, or like a row.
_CONFUSING = re.compile("[=,;']")

_LABEL = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)


_HOLDERS = {dict, list}


class _Look:
    """Look into a message for the rows that it refers to, until enough was seen.

    Attributes:
        is_over: there may be rows that were not looked at.
        first: the first row; empty as long as there is none.
    """

    def __init__(self) -> None:
        self.is_over = False
        self.first = ""
        self._forms = self._rows = 0

    def rows_in(self, form: Any) -> str:
        """List the rows inside a dict or list, as they stand behind a name; empty where there are none."""
        rows = list(self._found(form))
        if not rows:
            return ""
        self.first = self.first or rows[0]
        return f"={rows[0]}" if len(rows) == 1 else f"=[{', '.join(rows)}]"

    def _found(self, form: Any) -> Iterator[str]:
        """Describe the rows inside a dict or list."""
        waiting = [form]
        while waiting:
            form = waiting.pop()
            rows = _rows_of(form) if type(form) is dict else None
            if rows is None:
                parts = self._parts_of(form)
                waiting += [part for part in reversed(parts) if type(part) in _HOLDERS]
                continue
            for row in rows:
                if self._rows == MOST_ROWS:
                    self.is_over = True
                    return
                self._rows += 1
                yield row

    def _parts_of(self, form: dict[str, Any] | list[Any]) -> list[Any]:
        """Return what is inside a form; no more of it than may still be looked at."""
        parts = list(form.values()) if isinstance(form, dict) else form
        left = MOST_FORMS - self._forms
        if len(parts) > left:
            self.is_over = True
            parts = parts[:left]
        self._forms += len(parts)
        return parts


def _rows_of(form: dict[Any, Any]) -> Iterator[str] | None:
    """Describe the rows that a form itself stands for; None where the form stands for no rows."""
    if len(form) != 1:
        return None
    ((tag, parts),) = form.items()
    describe_rows = _TAGS.get(tag)
    if describe_rows is None or type(parts) is not list or len(parts) < 2:  # noqa: PLR2004 - label and key
        return None
    return describe_rows(*parts)


def _referred(label: object, key: object, *_rest: object) -> Iterator[str]:
    yield _describe_row(label, shown_key(key))


def _referred_together(label: object, keys: object, *_rest: object) -> Iterator[str]:
    for key in keys if type(keys) is list else ():
        yield _describe_row(label, shown_key(key))


def _snapped(label: object, state: object, *rest: object) -> Iterator[str]:
    fields: dict[Any, Any] = next((part for part in rest if type(part) is dict), {})
    names = _names_of_key(label)
    keys = [fields[name] for name in names if name in fields]
    if not keys or len(keys) < len(names):
        yield _describe_row(label, "?")
    elif len(keys) > 1:
        yield _describe_row(label, shown_key(keys))
    elif keys == [None] and state == "unsaved":
        yield _describe_row(label, "unsaved")
    else:
        yield _describe_row(label, shown_key(keys[0]))


#: Tags of the forms that stand for rows.
_TAGS = {"$ref": _referred, "$row": _snapped, "$rows": _referred_together}


def _names_of_key(label: object) -> list[str]:
    """Name the attributes that are a model's key; none where this process has no such model."""
    try:
        return _key_of(apps.get_model(label))  # type: ignore[arg-type]  # a wrong type is among the errors
    except Exception:  # noqa: BLE001 - whatever a label may be
        return []


@cache
def _key_of(model: type[Model]) -> list[str]:
    meta: Any = model._meta
    return [field.attname for field in meta.pk_fields]
