"""Tracebacks that show where, and no values of kwargs: error trackers send the locals of frames."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["forget_values"]

#: How modules of the library are called.
OURS = "deferred_signals."


def forget_values(error: BaseException) -> None:
    """Empty the library's own frames in the traceback of an exception, and of what led to it.

    They hold what a receiver is called with. Frames that still run keep theirs; those of the
    receiver, and of whatever it calls, are its own business.
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
