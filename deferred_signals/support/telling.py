"""Telling the project what became of its messages, by logs and lifecycle signals.

Handlers of logs and signals are code of the project's. They may fail, which must not break a sender.
They may also send: a handler that saves a row with a deferred receiver, while no message can be
published, would be told of the new message, save another row, and so on. So nothing is told of what a
handler defers.
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
    """Return whether this runs inside a handler that the library called to tell of messages."""
    return _telling.get()


class telling:  # noqa: N801 - used like a function, as `contextlib.suppress` is
    """Call handlers of the project's in the block, and suppress what they raise."""

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
            # On stderr, as `logging` itself does where a handler fails.
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
    """Log a message, unless this runs inside a handler that is being told of messages."""
    if is_telling():
        return
    with telling():
        logger.log(level, text, *values, exc_info=exc_info, extra=extra, stacklevel=2)


def is_interruption(error: BaseException) -> bool:
    """Return whether an exception is a soft time limit, which interrupts whatever code is running.

    Celery raises it from a handler of a Unix signal. A task may be sending at that moment. Its class is
    looked up among the loaded modules, since only rooms that talk to Celery may import it.
    """
    module = sys.modules.get("billiard.exceptions")
    return module is not None and isinstance(error, module.SoftTimeLimitExceeded)
