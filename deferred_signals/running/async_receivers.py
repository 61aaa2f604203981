"""Async receivers: awaited in an event loop of their own."""

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
        name: the receiver's.
        coroutine: what the receiver gave.

    Raises:
        InvalidReceiver: threads are greenlets here. All of them would find themselves in the event
            loop, other receivers too, and Django refuses a database to whoever is in one.
    """
    if _threads_are_greenlets():
        coroutine.close()
        raise InvalidReceiver(
            f"{name!r} is async, and gevent or eventlet has made threads of this process greenlets, "
            f"which share one event loop. Give it a queue whose workers have the prefork, threads or "
            f"solo pool, or write it without async."
        )
    async_to_sync(_awaited)(coroutine)


async def _awaited(coroutine: Coroutine[Any, Any, Any]) -> None:
    await coroutine


def _threads_are_greenlets() -> bool:
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    return bool(
        (gevent and gevent.is_module_patched("threading"))
        or (eventlet and eventlet.is_monkey_patched("thread"))
    )
