"""What users call: Django's `receiver` with one more argument, and `connect`.

Type checkers and editors read the package's stub, which has every option as a parameter of its own.
"""

from __future__ import annotations

from collections.abc import Generator
from inspect import Parameter, Signature, cleandoc, signature
from typing import TYPE_CHECKING, Any, TypeVar

import django.dispatch

from deferred_signals.decorator.connected import DeferredReceiver
from deferred_signals.errors import InvalidReceiver
from deferred_signals.receivers.connecting import connect_deferred
from deferred_signals.receivers.given import refuse_undeferred
from deferred_signals.receivers.options import OPTIONS, meanings

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.dispatch import Signal

__all__ = ["connect", "receiver"]

F = TypeVar("F", bound="Callable[..., Any]")


def receiver(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    *,
    deferred: bool = False,
    **options: Any,
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
            ``dispatch_uid``. All other options need ``deferred=True``. The list below has them all.

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


def connect(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    function: F,
    *,
    deferred: bool = True,
    **options: Any,
) -> F:
    """Connect a receiver by a call, with the arguments of `receiver`, and return it unchanged.

    For receivers that are connected in ``AppConfig.ready()`` or in a loop, and for functions of
    other packages.

    Arguments:
        signal: one signal, or a list or tuple of them.
        function: the receiver.
        deferred: whether a worker runs it.
        options: those of `receiver`, in the list below.

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


def _tell_options(function: Any) -> None:
    """Let ``help()``, and whoever asks for the signature, tell the options by their names."""
    own = [
        item for item in signature(function).parameters.values() if item.kind != item.VAR_KEYWORD
    ]
    options = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=told.default)
        for name, told in OPTIONS.items()
    ]
    plain = [item.replace(annotation=Parameter.empty) for item in own]
    function.__signature__ = Signature([*plain, *options])
    if function.__doc__:  # python -OO leaves none; from 3.13 on Python takes the indentation away
        function.__doc__ = f"{cleandoc(function.__doc__)}\n\nOptions:\n{meanings('    ')}\n"


_tell_options(receiver)
_tell_options(connect)
