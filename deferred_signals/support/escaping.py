"""Showing texts from outside in logs: on one line, without control characters, and cut."""

from __future__ import annotations

__all__ = ["quoted", "shown"]

#: Characters of a text that are shown by default.
MOST = 200


def shown(text: str, most: int = MOST) -> str:
    r"""Escape whatever could forge a line of a log or control a terminal, and cut a long text.

    Arguments:
        text: a name or an id that a message brought, or a reason that a receiver gave.
        most: how many characters are shown.

    >>> shown("shop.receivers.greet")
    'shop.receivers.greet'
    >>> print(shown("greet\nERROR: \x1b[31mred"))
    greet\nERROR: \x1b[31mred
    """
    if len(text) <= most and text.isprintable():
        return text
    escaped = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: most + 1])
    return escaped if len(escaped) <= most else f"{escaped[:most]}..."


def quoted(text: str, most: int = MOST) -> str:
    r"""Show a text between quotes, so that it is not mistaken for the text around it.

    >>> print(quoted("it's", 40))
    'it\'s'
    """
    escaped = shown(text.replace("\\", "\\\\").replace("'", "\\'"), most)
    return f"'{escaped}'"
