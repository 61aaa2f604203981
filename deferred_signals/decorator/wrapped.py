"""`Signal.connect`, wrapped: it defers the receivers of other packages that ``DEFER`` names.

This is the one place where the library changes what Django's signals do, and only in a project that
has such entries. There is no other way: a package connects its receivers by a method of Django's, and
nothing tells of it. The wrapper hands on everything that has no entry.
"""

from __future__ import annotations

from functools import wraps
from threading import RLock
from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

from deferred_signals.decorator.connected import DeferredReceiver
from deferred_signals.errors import ConfigurationError, RegistrationError
from deferred_signals.receivers import foreign
from deferred_signals.receivers.connecting import connect_deferred
from deferred_signals.receivers.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["defer_by_settings", "unwrap", "wrap"]


def defer_by_settings(entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Defer receivers that are connected from now on, and that have an entry.

    Arguments:
        entries: the options of each receiver, by its dotted path.
    """
    foreign.in_force().add(entries)
    wrap()


def wrap() -> None:
    """Wrap `Signal.connect`, unless it is wrapped already."""
    with _lock:
        if not _djangos:
            _djangos.append(Signal.connect)
            Signal.connect = _wrapped(Signal.connect)  # type: ignore[method-assign]  # this is what the module is for


def unwrap() -> None:
    """Restore Django's method; for tests."""
    with _lock:
        if _djangos:
            Signal.connect = _djangos.pop()  # type: ignore[method-assign]  # as above


#: Django's method, as long as it is wrapped.
_djangos: list[Callable[..., None]] = []

#: Two threads that connect one function would make two receivers of it.
_lock = RLock()


def _wrapped(djangos: Callable[..., None]) -> Callable[..., None]:
    # The sender of a model's signal is no name any more when this is called: `ModelSignal.connect`
    # waits for the model, and then calls its base.
    @wraps(djangos)
    def connect(
        self: Signal,
        receiver: Any,
        sender: Any = None,
        weak: bool = True,  # noqa: FBT001, FBT002 - Django's own signature
        dispatch_uid: Any = None,
    ) -> None:
        if not _is_deferred(self, receiver, sender=sender, weak=weak, dispatch_uid=dispatch_uid):
            djangos(self, receiver, sender=sender, weak=weak, dispatch_uid=dispatch_uid)

    return connect


def _is_deferred(signal: Signal, function: Any, *, sender: Any, **given: Any) -> bool:
    """Defer a receiver, if it has an entry; return False where Django is to connect it as it is."""
    if issubclass(type(function), Receiver):  # which is what a deferred receiver connects by itself
        return False
    path = ""
    try:
        path = foreign.path_of(function)
        options = foreign.in_force().asked_for(path)
        if options is None:
            return False
        foreign.refuse_packages_own(options)
        # To Django a list is a sender like any other, and not several.
        given["sender"] = None if sender is None else [sender]
        with _lock:
            connect_deferred(function, [signal], {**options, **given}, DeferredReceiver)
    except Exception as error:  # noqa: BLE001 - whoever connects it has never heard of its entry
        foreign.in_force().note_refused(path, foreign.Refused(signal, _reason(error)))
        return False
    foreign.in_force().note_deferred(path)
    return True


def _reason(error: Exception) -> str:
    """Return the text of a refusal; of another error also what it is."""
    is_refusal = isinstance(error, (ConfigurationError, RegistrationError))
    return str(error) if is_refusal else f"{type(error).__name__}: {error}"
