"""Async receivers: await each in an event loop of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync

from deferred_signals.errors import InvalidReceiver

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["await_here"]


def await_here(name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine to its end.

    Arguments:
        name: the receiver's name.
        coroutine: what the receiver's call returned.

    Raises:
        InvalidReceiver: threads are greenlets here. All greenlets of a thread share its event
            loop, those of other receivers too, and Django refuses database access within one.
    """
    if _threads_are_greenlets():
        coroutine.close()
        raise InvalidReceiver(
            f"{name!r} is async, and gevent or eventlet has made threads of this process greenlets, "
            f"which share one event loop. Give the receiver a queue whose workers have the prefork, "
            f"threads or solo pool, or write it without async."
        )
    async_to_sync(_awaited)(coroutine)


async def _awaited(coroutine: Coroutine[Any, Any, Any]) -> None:
    await coroutine


def _threads_are_greenlets() -> bool:
    """Ask gevent and eventlet, if one of them is loaded, whether it has patched threads."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    return bool(
        (gevent and gevent.is_module_patched("threading"))
        or (eventlet and eventlet.is_monkey_patched("thread"))
    )
