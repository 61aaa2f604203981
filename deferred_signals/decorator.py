"""`receiver` and `connect`: as Django's, with one more argument, which makes a worker run the receiver."""

from __future__ import annotations

import os
from collections.abc import Generator
from functools import cache
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import django.dispatch

from deferred_signals.errors import InvalidReceiver
from deferred_signals.receivers import registry
from deferred_signals.receivers.connecting import connect_deferred
from deferred_signals.receivers.given import refuse_undeferred
from deferred_signals.receivers.options import meanings
from deferred_signals.receivers.receiver import Receiver
from deferred_signals.sending import endings  # noqa: F401 - it must be loaded before eager mode begins
from deferred_signals.sending.undeferred import is_for_sender, report_undeferred
from deferred_signals.support.forks import unforked
from deferred_signals.worker.tasks import declare, undeclare

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.dispatch import Signal

    from deferred_signals.receivers.typed import ReceiverOptions
    from deferred_signals.sending.dispatch import Deferred

__all__ = ["DeferredReceiver", "connect", "receiver"]

F = TypeVar("F", bound="Callable[..., Any]")


def receiver(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    *,
    deferred: bool = False,
    **options: Unpack[ReceiverOptions],
) -> Callable[[F], F]:
    """Connect a receiver to a signal; with ``deferred=True``, to run on a worker after the commit.

    Without ``deferred=True`` this is `django.dispatch.receiver`. With it, ``send()`` encodes the
    kwargs as they are and defers the message to the commit of the transaction. Then the message is
    published, and a Celery worker calls the function with the same kwargs. The function itself
    stays as it is: calling the function runs it here and now.

    Arguments:
        signal: one signal, or a list or tuple of them.
        deferred: whether a worker runs the receiver.
        options: Django's ``sender`` (with ``deferred=True`` also a list of senders), ``weak`` and
            ``dispatch_uid``. All other options need ``deferred=True``; ``help(receiver)`` and the
            README list them.

    Raises:
        InvalidReceiver: the callable or an option does not fit.
        SignalNotDeferrable: the signal cannot be deferred.
        DuplicateReceiver: the name is taken.
        ConfigurationError: an option needs a part that is not there.
        TypeError: an option of deferred receivers was given without ``deferred=True``.

    Where several things are wrong, one error lists all of them. The error is of the class of each.

    >>> from django.dispatch import Signal
    >>> order_placed = Signal()
    >>> @receiver(order_placed, deferred=True, name="docs.greet", weak=False)
    ... def greet(sender, order_id, **kwargs):
    ...     print("Thank you for order", order_id)
    >>> greet(None, order_id=7)
    Thank you for order 7
    """
    if not isinstance(deferred, bool):
        raise InvalidReceiver(f"deferred must be True or False, got {deferred!r}.")
    if not deferred:
        refuse_undeferred(options)
        return django.dispatch.receiver(signal, **options)
    signals = list(signal) if isinstance(signal, (list, tuple)) else [signal]
    sender = options.get("sender")
    if isinstance(sender, Generator):  # which can be read only once
        options["sender"] = list(sender)

    def decorate(function: F) -> F:
        connect_deferred(function, signals, dict(options), DeferredReceiver)
        return function

    return decorate


if receiver.__doc__:  # python -OO leaves none; from 3.13 on Python takes the indentation away
    receiver.__doc__ = f"{cleandoc(receiver.__doc__)}\n\nOptions:\n{meanings('    ')}\n"


def connect(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    function: F,
    *,
    deferred: bool = True,
    **options: Unpack[ReceiverOptions],
) -> F:
    """Connect a receiver by a call, with the arguments of `receiver`, and return it unchanged.

    For receivers that are connected in ``AppConfig.ready()`` or in a loop, and for functions of
    other packages.

    Arguments:
        signal: one signal, or a list or tuple of them.
        function: the receiver.
        deferred: whether a worker runs it.
        options: those of `receiver`.

    Raises:
        TypeError, RegistrationError, ConfigurationError: as `receiver` does.

    >>> from django.dispatch import Signal
    >>> order_placed = Signal()
    >>> def thank(sender, order_id, **kwargs):
    ...     print("Thank you for order", order_id)
    >>> connect(order_placed, thank, name="docs.thank") is thank
    True
    """
    return receiver(signal, deferred=deferred, **options)(function)


class DeferredReceiver(Receiver):
    """The callable that is connected in place of the user's: being called, it defers the call.

    It is never async, whatever the user's callable is: Django would call an async one where the
    transaction cannot be seen.
    """

    def __call__(self, *, signal: Signal, sender: Any, **kwargs: Any) -> Deferred | None:
        """Defer one call; Django calls this from ``send()``."""
        try:
            dispatch, entry = _dispatcher(), self._entries[id(signal)]
        except Exception as error:  # no file can be opened for the import, say
            if is_for_sender(signal, error):
                raise
            report_undeferred(self.name, signal, error)
            return None
        if _sent:
            return dispatch(self, signal, entry, sender, kwargs)
        with unforked():  # Django and Celery, too, import some of their modules on first use
            _sent.append(True)
            _wake(self)
            return dispatch(self, signal, entry, sender, kwargs)

    def declare(self) -> None:
        """Make the receiver's Celery tasks."""
        declare(self)

    def forget(self) -> None:
        """Undo the decorator: disconnect from everything, and give up the names and their tasks."""
        self.disconnect()
        registry.discard(self)
        undeclare(self)


#: Whether anything was sent in this process.
_sent: list[bool] = []


os.register_at_fork(after_in_child=_sent.clear)


def _wake(receiver: DeferredReceiver) -> None:
    """Let what publishes be imported, and connect, while the transaction goes on."""
    from deferred_signals.sending.destinations import wake  # noqa: PLC0415 - see `_dispatcher`

    wake(receiver)


@cache
def _dispatcher() -> Callable[..., Deferred | None]:
    """Import what sends, when the first signal is sent.

    What publishes is imported later still, by the first commit: a process that sends nothing
    should not pay for either when it starts.
    """
    with unforked():
        from deferred_signals.sending.destinations import current_destination  # noqa: PLC0415 - see above
        from deferred_signals.sending.dispatch import dispatch  # noqa: PLC0415 - see above

        current_destination()  # Celery reads its settings when it is first asked for one
    return dispatch
