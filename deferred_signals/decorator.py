"""`receiver` and `connect`: Django's, with one more argument by which a worker runs the receiver."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import django.dispatch

from deferred_signals.connecting import connect_deferred
from deferred_signals.deferred_receiver import DeferredReceiver
from deferred_signals.errors import InvalidReceiver
from deferred_signals.receivers.options import ReceiverOptions, refuse_undeferred
from deferred_signals.sending import endings  # noqa: F401 - it has to see eager mode begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.dispatch import Signal

__all__ = ["DeferredReceiver", "connect", "receiver"]

F = TypeVar("F", bound="Callable[..., Any]")


def receiver(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    *,
    deferred: bool = False,
    **options: Unpack[ReceiverOptions],
) -> Callable[[F], F]:
    """Connect a receiver to a signal; with ``deferred=True``, to run on a worker after the commit.

    Without ``deferred`` this is `django.dispatch.receiver`. With it, ``send()`` encodes the
    kwargs as they are, waits for the transaction to commit, publishes, and a Celery worker calls
    the function with the same kwargs. The function itself stays as it is: calling it runs it
    here and now.

    Arguments:
        signal: one signal, or a list or tuple of them.
        deferred: whether a worker runs the receiver.
        options: Django's ``sender`` (with ``deferred=True`` also a list of senders), ``weak`` and
            ``dispatch_uid``; the others, listed in the README, need ``deferred=True``.

    Raises:
        InvalidReceiver: the callable or an option does not fit.
        SignalNotDeferrable: the signal cannot be deferred.
        DuplicateReceiver: the name is taken.
        ConfigurationError: an option needs a part that is not there.
        TypeError: an option of deferred receivers was given without ``deferred=True``.

    Where several things are wrong, one error tells of all and is of the kind of each.

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
    if isinstance(sender, Generator):  # which can be read once
        options["sender"] = list(sender)

    def decorate(function: F) -> F:
        connect_deferred(function, signals, dict(options))
        return function

    return decorate


def connect(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    function: F,
    *,
    deferred: bool = True,
    **options: Unpack[ReceiverOptions],
) -> F:
    """Connect a receiver as a call, with the arguments of `receiver`, and give it back unchanged.

    For receivers that are connected in ``AppConfig.ready()`` or in a loop, and for functions of
    other packages.

    Arguments:
        signal: one signal, or a list or tuple of them.
        function: the receiver.
        deferred: whether a worker runs it.
        options: those of `receiver`.

    Raises:
        TypeError, RegistrationError, ConfigurationError: as `receiver`.

    >>> from django.dispatch import Signal
    >>> order_placed = Signal()
    >>> def thank(sender, order_id, **kwargs):
    ...     print("Thank you for order", order_id)
    >>> connect(order_placed, thank, name="docs.thank") is thank
    True
    """
    return receiver(signal, deferred=deferred, **options)(function)
