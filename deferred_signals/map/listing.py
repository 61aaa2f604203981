"""Write the map for a file that is kept with the code, and compare the file with the map.

The file has what the code declares: no lines and no paths, nothing of the settings, no signals that
nobody hears. So it is the same on each machine, and changes when somebody changes who listens to what.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from deferred_signals.map import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deferred_signals.map.entries import ReceiverMap

__all__ = ["as_listing", "difference"]

_HEAD = """\
# Who listens to which signals, as the code declares it.
# Written by: {command}
"""


def as_listing(found: ReceiverMap, command: str) -> str:
    """Write a map for a file, one option a line.

    Arguments:
        found: the map.
        command: what writes the file anew.
    """
    lines = [_HEAD.format(command=command)]
    before = None
    for signal in found.signals:
        for receiver in signal.receivers:
            title = f"{signal.name} from {words.sender(receiver)}"
            if title != before:
                lines.append(f"\n{title}\n")
                before = title
            runs = "" if receiver.runs == "sync" else f": {receiver.runs}"
            lines.append(f"    {receiver.name}{runs}\n")
            if receiver.deferral is not None:
                options = words.declared(receiver.deferral.options)
                lines += [f"        {option}\n" for option in options]
    return "".join(lines)


def difference(kept: str, now: str, name: str) -> list[str]:
    """Return a unified diff from what a file holds to what it should hold; comments do not count.

    As in git's, the title of each hunk names the signal and the sender that the hunk begins within.

    Arguments:
        kept: the text of the file.
        now: the text that would be written.
        name: that of the file.
    """
    old, new = kept.splitlines(), now.splitlines()
    if _without_comments(old) == _without_comments(new):
        return []
    found = difflib.unified_diff(old, new, name, f"{name}, written anew", lineterm="")
    return [f"{line} {_title(old, line)}".rstrip() for line in found]


def _without_comments(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines if not line.startswith("#")]


def _title(lines: Sequence[str], hunk: str) -> str:
    """Return the last title before a hunk; nothing for another line of a diff."""
    found = re.match(r"@@ -(\d+)", hunk)
    return next(_titles_before(lines, int(found[1])), "") if found else ""


def _titles_before(lines: Sequence[str], number: int) -> Iterator[str]:
    return (line for line in reversed(lines[: max(number - 1, 0)]) if line and line[0] not in " #")
