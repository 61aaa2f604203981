"""`muted()`: let sends defer nothing, for imports, fixtures and mass updates."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.dispatch import Signal

from deferred_signals.errors import InvalidReceiver
from deferred_signals.receivers.naming import identity
from deferred_signals.support.blocks import within

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from deferred_signals.receivers.receiver import Receiver

__all__ = ["is_muted", "muted"]

F = TypeVar("F", bound="Callable[..., Any]")

#: What is muted here: one entry for each block, with its targets.
_muted: ContextVar[tuple[tuple[object, ...], ...]] = ContextVar("muted", default=())


class muted:  # noqa: N801 - used like a function, as `contextlib.suppress` is
    """Mute deferred receivers for a while: ``send()`` defers nothing, and gives None for them.

    This is a context manager and a decorator, also of coroutines. Receivers are muted for this
    thread and task alone, and for those that begin meanwhile with a copy of its context. Ordinary
    receivers run.

    Arguments:
        targets: receivers (functions or their names) and signals; all, if none is given.

    >>> from django.dispatch import Signal
    >>> order_placed = Signal()
    >>> with muted(order_placed):
    ...     responses = order_placed.send(sender=None, order_id=7)
    """

    def __init__(self, *targets: Signal | Callable[..., Any] | str) -> None:
        for target in targets:
            if not (isinstance(target, (Signal, str)) or callable(target)):
                raise InvalidReceiver(
                    f"muted() takes receivers, names of receivers and signals, got {target!r}."
                )
        self._targets = targets

    def __enter__(self) -> Self:
        _muted.set((*_muted.get(), self._targets))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _muted.set(_muted.get()[:-1])  # no token is kept: threads and tasks may share this object

    def __call__(self, function: F) -> F:
        """Decorate a function, so that receivers are muted during each of its calls."""
        return within(lambda: muted(*self._targets), function)


def is_muted(receiver: Receiver, signal: Signal) -> bool:
    """Return whether a send of the signal is not to be deferred to the receiver, here and now."""
    blocks = _muted.get()
    return bool(blocks) and any(
        not targets or any(_means(target, receiver, signal) for target in targets)
        for targets in blocks
    )


def _means(target: object, receiver: Receiver, signal: Signal) -> bool:
    if isinstance(target, str):
        return target == receiver.name or target in receiver.options.aliases
    return target is signal or identity(target) == identity(receiver.function)
