"""`receiver`: Django's decorator with one more argument, and the callable that it connects."""

from __future__ import annotations

import inspect
import sys
import weakref
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import django.dispatch
from django.dispatch import Signal

from deferred_signals import catalogue, registry
from deferred_signals.conditions import Changed, track
from deferred_signals.errors import DuplicateReceiver, InvalidReceiver
from deferred_signals.naming import (
    accepts_kwargs,
    home_of,
    identity,
    name_of,
    parameters_of,
    place_of,
    weakly,
)
from deferred_signals.options import CONNECT_OPTIONS, Options, ReceiverOptions, policy_of
from deferred_signals.running import posting
from deferred_signals.running.tasks import declare, undeclare
from deferred_signals.schemas import check_receiver
from deferred_signals.serialization import codec_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from deferred_signals.sending.dispatch import Deferred
    from deferred_signals.serialization import Codec

__all__ = ["DeferredReceiver", "receiver"]

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
        options: Django's ``sender``, ``weak`` and ``dispatch_uid``; the others, listed in the
            README, need ``deferred=True``.

    Raises:
        InvalidReceiver: the callable or an option does not fit.
        SignalNotDeferrable: the signal cannot be deferred.
        DuplicateReceiver: the name is taken.
        ConfigurationError: an option needs a part that is not there.
        TypeError: an option of deferred receivers was given without ``deferred=True``.

    >>> from django.dispatch import Signal
    >>> order_placed = Signal()
    >>> @receiver(order_placed, deferred=True, name="docs.greet", weak=False)
    ... def greet(sender, order_id, **kwargs):
    ...     print("Thank you for order", order_id)
    >>> greet(None, order_id=7)
    Thank you for order 7
    """
    signals = list(signal) if isinstance(signal, (list, tuple)) else [signal]
    if not deferred:
        for name in options:
            if name in ReceiverOptions.__annotations__ and name not in CONNECT_OPTIONS:
                raise TypeError(f"{name}= is an option of deferred receivers: add deferred=True.")
        return django.dispatch.receiver(signal, **options)

    def decorate(function: F) -> F:
        _connect(function, signals, dict(options))
        return function

    return decorate


class DeferredReceiver:
    """The callable that is connected in place of the user's: being called, it defers the call.

    One for each name. It mirrors what other code reads of a receiver (``__module__``,
    ``__name__``, ``__qualname__``, ``__doc__``, ``__wrapped__``), and is never async: Django
    would call an async one where the transaction cannot be seen.
    """

    def __init__(
        self, function: Callable[..., Any], name: str, options: Options, *, weak: bool
    ) -> None:
        self.name = name
        self.options = options
        self.signals: list[Signal] = []
        self.place = place_of(function)
        self.home = home_of(function)
        self.spec = _spec_of(self.home)
        self.parameters = parameters_of(function)
        self._entries: dict[int, catalogue.Entry] = {}
        self.connections: list[tuple[Signal, Any, object]] = []
        self._reference: Callable[[], Callable[..., Any] | None] = lambda: function
        # Nothing else may hold a callable object, like a partial; functions and methods live
        # where they are defined.
        if weak and (inspect.isfunction(function) or inspect.ismethod(function)):
            self._hold_weakly(function)
        named = function if hasattr(function, "__qualname__") else type(function)
        self.__module__ = named.__module__
        self.__name__ = named.__name__
        self.__qualname__ = named.__qualname__
        self.__doc__ = function.__doc__

    @property
    def function(self) -> Callable[..., Any]:
        """The user's callable."""
        function = self._reference()
        if function is None:
            raise ReferenceError(f"The receiver {self.name!r} is gone: it was connected weakly.")
        return function

    @cached_property
    def codec(self) -> Codec:
        """What encodes and decodes this receiver's kwargs: made when modules are complete."""
        options = self.options
        return codec_for(
            self.function,
            options.schema,
            snapshot=options.snapshot is True,
            exclude_fields=options.exclude_fields,
            carry=options.carry,
        )

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        return self.function

    def __call__(self, *, signal: Signal, sender: Any, **kwargs: Any) -> Deferred | None:
        """Defer one call; Django calls this from ``send()``."""
        return _dispatcher()(self, signal, self._entries[id(signal)], sender, kwargs)

    def __repr__(self) -> str:
        return f"<DeferredReceiver {self.name}>"

    def connect(self, signal: Signal, entry: catalogue.Entry, uid: object, **options: Any) -> None:
        """Connect to one more signal, under what ``disconnect`` will know the user's callable by."""
        signal.connect(self, dispatch_uid=uid, **options)
        if not any(item is signal for item in self.signals):
            self.signals.append(signal)
        self._entries[id(signal)] = entry
        self.connections.append((signal, options.get("sender"), uid))

    def disconnect(self, keep: int = 0) -> None:
        """Disconnect from everything, but the first ``keep`` connections."""
        for signal, sender, uid in self.connections[keep:]:
            signal.disconnect(sender=sender, dispatch_uid=uid)
        del self.connections[keep:]

    def forget(self) -> None:
        """Undo the decorator: disconnect from everything, and give up the names and their tasks."""
        self.disconnect()
        registry.discard(self)
        undeclare(self)

    def hold(self) -> None:
        """Keep the user's callable alive from now on: it was connected with ``weak=False``."""
        function = self.function
        self._reference = lambda: function

    def _hold_weakly(self, function: Callable[..., Any]) -> None:
        # As Django does: the receiver lives as long as the user's object. The registry alone
        # holds this object, so when it lets go, Django sees its own weak reference die.
        self._reference = weakly(function)
        weakref.finalize(getattr(function, "__self__", function), _forget, weakref.ref(self))


# The way out is imported by the first send, as its last part is by the first commit, or by what a
# worker publishes: a process that sends nothing should not pay for it when it starts.


@cache
def _dispatcher() -> Callable[..., Deferred | None]:
    from deferred_signals.sending.dispatch import dispatch  # noqa: PLC0415 - see above

    return dispatch


def _post(publish: posting.Publish, *, connect: bool) -> None:
    from deferred_signals.sending.posting import post  # noqa: PLC0415 - see above

    post(publish, connect=connect)


posting.post_by(_post)


def _forget(reference: weakref.ref[DeferredReceiver]) -> None:
    found = reference()
    if found is not None:
        registry.discard(found)


def _connect(function: Callable[..., Any], signals: list[Signal], given: dict[str, Any]) -> None:
    """Register and connect, after everything that can be refused was looked at."""
    connect = {name: given.pop(name) for name in CONNECT_OPTIONS & given.keys()}
    name = name_of(function, given.pop("name", None))
    options = Options.of(given)
    entries = _checked(function, name, signals, options, connect.get("sender"))
    connected = _registered(function, name, options, weak=connect.get("weak", True))
    if isinstance(options.when, Changed):
        track(options.when, connect["sender"])
    uid = connect.pop("dispatch_uid", None) or identity(function)
    before = len(connected.connections)
    try:
        for signal, entry in zip(signals, entries, strict=True):
            connected.connect(signal, entry, uid, **connect)
    except Exception:  # Django refused: a sender that is no model, say
        connected.disconnect(keep=before)
        if not before:
            registry.discard(connected)
        raise


def _checked(
    function: Callable[..., Any], name: str, signals: list[Signal], options: Options, sender: Any
) -> list[catalogue.Entry]:
    """The catalogue's entries of the signals, where nothing is to be refused."""
    policy_of(options)
    if not signals:
        raise InvalidReceiver(f"{name!r} was given an empty list of signals.")
    for signal in signals:
        _check_signal(name, signal)
    entries = [catalogue.check(signal, opt_in=options.opt_in) for signal in signals]
    for signal, entry in zip(signals, entries, strict=True):
        catalogue.check_coalesce(name, options, signal, entry)
    if not accepts_kwargs(function):
        raise InvalidReceiver(
            f"{name!r} must accept **kwargs, as every signal receiver: senders add arguments."
        )
    if isinstance(options.when, Changed):
        for signal in signals:
            options.when.check(signal, sender)
    if options.schema is not None:
        check_receiver(name, function, options.schema, alone=options.capture is None)
    return entries


def _check_signal(name: str, signal: object) -> None:
    if isinstance(signal, Signal):
        return
    celerys = type(signal).__module__.startswith("celery.")
    raise InvalidReceiver(
        f"{name!r} can listen to a django.dispatch.Signal, got {signal!r}."
        + (" Celery's signals have a dispatcher of their own." if celerys else "")
    )


def _registered(
    function: Callable[..., Any], name: str, options: Options, *, weak: bool
) -> DeferredReceiver:
    """The receiver of this name: the one there is, if it is the same, or a new one."""
    for taken in (name, *options.aliases):
        present = registry.find(taken)
        if not isinstance(present, DeferredReceiver):
            continue
        if _was_reloaded(present, function):
            present.disconnect()
            continue
        if identity(present.function) != identity(function):
            raise DuplicateReceiver(
                f"{taken!r} names two receivers: one at {present.place}, one at "
                f"{place_of(function)}. Give one of them another name=."
            )
        if present.name == name and present.options == options:
            if not weak:
                present.hold()
            return present
        raise DuplicateReceiver(
            f"{taken!r} is deferred with two sets of options, at {present.place} and at "
            f"{place_of(function)}. Use the same options, or give one of them another name=."
        )
    new = DeferredReceiver(function, name, options, weak=weak)
    declare(new)
    registry.add(new)
    return new


def _was_reloaded(present: DeferredReceiver, function: Callable[..., Any]) -> bool:
    """Whether a receiver stems from an earlier load of the module that now declares its successor.

    ``importlib.reload``, and an import after removal from ``sys.modules``, make a new spec; code
    typed at a prompt has none.
    """
    home = home_of(function)
    spec = _spec_of(home)
    return present.home == home and (spec is None or spec is not present.spec)


def _spec_of(module: str) -> object:
    return getattr(sys.modules.get(module), "__spec__", None)
