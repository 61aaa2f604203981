"""What a row's ``error`` holds: the first and the last failure, or since when nobody knows its receiver."""

from __future__ import annotations

import re
import time
import traceback

__all__ = ["since_unknown", "told", "unknown_since"]

#: Characters that are kept of one failure: its end, where the exception stands.
MOST = 20_000

_BETWEEN = "\n\n[The last failure]\n\n"
_BEFORE = "\n\n[Before that]\n\n"
_UNKNOWN = re.compile(r"Unknown since (\d+)\.")


def told(before: str, error: BaseException) -> str:
    """Write a failure behind the first one.

    Arguments:
        before: what the column holds.
        error: the failure.
    """
    text = _storable("".join(traceback.format_exception(error))[-MOST:])
    first = _known(before).partition(_BETWEEN)[0]
    return f"{first}{_BETWEEN}{text}" if first else text


def unknown_since(before: str, error: BaseException) -> str:
    """Write what this process does not know, and since when that is so.

    Arguments:
        before: what the column holds.
        error: says what is not known.
    """
    text = _storable(f"Unknown since {since_unknown(before):.0f}. {error}"[:MOST])
    known = _known(before)
    return f"{text}{_BEFORE}{known}" if known else text


def since_unknown(before: str) -> float:
    """Read since when nobody knows a row's receiver, in seconds since the epoch; now, if it is news."""
    found = _UNKNOWN.match(before)
    return float(found[1]) if found else time.time()


def _known(before: str) -> str:
    """Return the failures that a column holds, without what it says of a receiver that nobody knows."""
    return before.partition(_BEFORE)[2] if _UNKNOWN.match(before) else before


def _storable(text: str) -> str:
    """Remove what no database keeps: NUL characters, and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
