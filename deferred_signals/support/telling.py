"""Telling the project what became of its messages, by logs and signals that cannot hurt the sender.

Handlers of logs and signals are code of the project's. They may fail, and they may send: a handler
that saves a row with a deferred receiver, while no message can be published, would be told of its own
message, save another row, and so on. So whoever defers while being told is told nothing of that.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

__all__ = ["is_interruption", "is_telling", "log", "telling"]

logger = logging.getLogger("deferred_signals")

_telling: ContextVar[bool] = ContextVar("deferred_signals_telling", default=False)


def is_telling() -> bool:
    """Return whether the calling code was called by the library, to be told of messages."""
    return _telling.get()


class telling:  # noqa: N801 - used like a function, as `contextlib.suppress` is
    """Call handlers of the project's in the block: what they raise ends here."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _telling.set(True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        _telling.reset(self._token)
        if not isinstance(error, Exception) or is_interruption(error):
            return False
        if logging.raiseExceptions and logging.lastResort is not None:
            # On stderr, as `logging` itself does with handlers that fail.
            values = {
                "name": logger.name,
                "levelno": logging.ERROR,
                "levelname": "ERROR",
                "msg": "A handler of logs or of lifecycle signals failed",
                "exc_info": (type(error), error, trace),
            }
            logging.lastResort.handle(logging.makeLogRecord(values))
        return True


def log(
    level: int,
    text: str,
    *values: object,
    exc_info: BaseException | bool | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Log, unless the caller was called by a handler of such logs."""
    if is_telling():
        return
    with telling():
        logger.log(level, text, *values, exc_info=exc_info, extra=extra, stacklevel=2)


def is_interruption(error: BaseException) -> bool:
    """Return whether an exception came from outside, into the midst of whatever ran: a soft time limit.

    Celery raises it from a handler of a Unix signal, in a task that sends as much as anywhere. It
    is asked for by its module, since only the rooms that talk to Celery import it.
    """
    module = sys.modules.get("billiard.exceptions")
    return module is not None and isinstance(error, module.SoftTimeLimitExceeded)
