"""Context managers that decorate functions, sync and async alike."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["within"]

F = TypeVar("F", bound="Callable[..., Any]")


def within(make_block: Callable[[], AbstractContextManager[Any]], function: F) -> F:
    """Decorate a function so that each call runs inside a block of its own.

    `contextlib.ContextDecorator` would leave the block before a coroutine begins.

    Arguments:
        make_block: makes the context manager, once for each call.
        function: sync or async.
    """
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_later(*args: Any, **kwargs: Any) -> Any:
            with make_block():
                return await function(*args, **kwargs)

        return call_later  # type: ignore[return-value]  # wraps() keeps the signature

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with make_block():
            return function(*args, **kwargs)

    return call  # type: ignore[return-value]  # wraps() keeps the signature
