"""What people may see of a row's ``error`` who may not see values: what failed, and where.

What an exception says may hold values of the message, so a text has only the types of its exceptions, and
the lines of code that they passed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deferred_signals.outbox.failures import MOST

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MASK", "without_values"]

#: What stands in the place of what an exception says.
MASK = "…"

_TRACEBACK = "Traceback (most recent call last):"
_GROUP = "  + Exception Group Traceback (most recent call last):"
_FRAME = re.compile(r'  File ".*", line \d+, in \S+')
_EXCEPTION = re.compile(r"([^\W\d]\w*(?:\.\w+)*)(: .*)?")
#: Lines that stand between failures, and between exceptions that belong together.
_BETWEEN = frozenset(
    {
        "[The last failure]",
        "[Before that]",
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    }
)
_UNKNOWN = re.compile(r"Unknown since \d+\.")


def without_values(error: str) -> str:
    r"""Return what a row's ``error`` tells, without what the exceptions say.

    >>> print(without_values('''Traceback (most recent call last):
    ...   File "shop/receivers.py", line 7, in book
    ...     raise LookupError(customer)
    ... LookupError: no such customer: eve@example.org
    ... '''))
    Traceback (most recent call last):
      File "shop/receivers.py", line 7, in book
        raise LookupError(customer)
    LookupError: …
    """
    return "\n".join(_lines(error)).strip("\n")


def _lines(error: str) -> Iterator[str]:
    """Give the lines that hold no values.

    An exception is looked for at the beginning, behind the lines of code, and behind a line that stands
    between two failures. All that follows the exception is what it says, until the next such line.
    """
    # The beginning of a very long text was cut off: its first lines may be what an exception says.
    is_whole = len(error) < MOST
    is_expected, is_code = is_whole, False
    for line in error.splitlines():
        if line == _TRACEBACK or line in _BETWEEN:
            yield from ("", line) if line in _BETWEEN else (line,)
            is_expected, is_code = is_whole or line == _TRACEBACK, False
        elif line.startswith(_GROUP):
            yield f"{_GROUP.strip(' +')} {MASK}"
            is_expected = is_code = False
        elif is_expected and not is_code and _UNKNOWN.match(line):
            yield line  # which the library itself has written
        elif is_expected and _FRAME.fullmatch(line):
            yield line
            is_code = True
        elif is_code and line.startswith("    "):
            yield line
        elif is_expected and (found := _EXCEPTION.fullmatch(line)):
            yield f"{found[1]}: {MASK}" if found[2] else found[1]
            is_expected = is_code = False
