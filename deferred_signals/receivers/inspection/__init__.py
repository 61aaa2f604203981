"""Read from a receiver's source what would go wrong when the receiver is deferred.

The source is read and nothing is run; where there is no source, nothing is found. Of 154 receivers
of real projects one in five would have been accepted and then silently wrong, nearly all for what is
looked for here.

`sources` finds the syntax trees, `walk` goes through them, and through the `helpers` that are
called; `expressions`, `calls` and `statements` read the nodes; `values` are what names stand for, and
`notes` what was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deferred_signals.receivers.inspection.notes import Notes, Path, Write
from deferred_signals.receivers.inspection.sources import forget_sources, layers_of, node_of
from deferred_signals.receivers.inspection.walk import walk_layer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Findings", "Path", "Write", "forget_sources", "inspect_receiver"]


@dataclass(frozen=True)
class Findings:
    """The findings in one receiver, and in the helpers of its own package that it calls.

    Attributes:
        reads: attributes that are read and were not written before, each with the kwarg that it
            belongs to: ``("instance", "_old_status")``.
        writes: what is written on kwargs.
        returns_value: whether the receiver returns something other than None.
        line: the line of the file where the receiver begins.
    """

    reads: frozenset[Path]
    writes: tuple[Write, ...]
    returns_value: bool
    line: int


def inspect_receiver(function: Callable[..., Any]) -> Findings | None:
    """Return the findings; None where there is no source to read.

    A decorator that wraps the receiver is read, too. What the decorator returns does not count, as
    it passes on what the receiver returned.
    """
    notes = Notes()
    found = None
    for layer in layers_of(function):
        node = node_of(layer.function)
        if node is not None:
            found = node.lineno, walk_layer(layer, node, notes)
    if found is None:
        return None
    line, returns_value = found
    return Findings(frozenset(notes.reads), notes.writes, returns_value, line)
