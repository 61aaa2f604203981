"""Tracebacks without values: error trackers send the local variables of each frame, and so kwargs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["forget_values"]

#: The names of the library's modules begin so.
OURS = "deferred_signals."


def forget_values(error: BaseException) -> None:
    """Clear the local variables of the library's own frames in the tracebacks of an exception.

    The tracebacks of its causes and contexts are included. The library's frames hold the kwargs that
    a receiver is called with. Frames that still run cannot be cleared. Frames of the receiver, and of
    the code that it calls, are not the library's to clear.
    """
    for frame in _frames(error):
        if str(frame.f_globals.get("__name__")).startswith(OURS):
            with suppress(RuntimeError):  # it still runs
                frame.clear()


def _frames(error: BaseException) -> Iterator[FrameType]:
    waiting: list[BaseException | None] = [error]
    seen = set()
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        trace = found.__traceback__
        while trace is not None:
            yield trace.tb_frame
            trace = trace.tb_next
        waiting += [found.__cause__, found.__context__]
        if isinstance(found, BaseExceptionGroup):
            waiting += found.exceptions
