"""`DeferredReceiver`: the callable that is connected to a signal in place of the user's."""

from __future__ import annotations

import inspect
import sys
import weakref
from functools import cache
from typing import TYPE_CHECKING, Any

from deferred_signals.receivers import registry
from deferred_signals.receivers.connections import Connections, connected_by
from deferred_signals.receivers.naming import (
    declaring_module,
    home_of,
    identity,
    parameters_of,
    place_of,
    weakly,
)
from deferred_signals.sending.undeferred import is_for_sender, report_undeferred
from deferred_signals.serialization import codec_for
from deferred_signals.support.cached import cached_property
from deferred_signals.support.forks import unforked
from deferred_signals.worker.tasks import undeclare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.dispatch import Signal

    from deferred_signals.receivers.catalogue import Entry
    from deferred_signals.receivers.connections import Connection
    from deferred_signals.receivers.options import Options
    from deferred_signals.sending.dispatch import Deferred
    from deferred_signals.serialization import Codec

__all__ = ["DeferredReceiver"]


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
        self._specs = {module: _spec_of(module) for module in (self.home, declaring_module())}
        self.parameters = parameters_of(function)
        self._entries: dict[int, Entry] = {}
        self._connections = Connections(self)
        self._reference: Callable[[], Callable[..., Any] | None] = lambda: function
        self._finalizer: weakref.finalize[..., Any] | None = None
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
        try:
            dispatch, entry = _dispatcher(), self._entries[id(signal)]
        except Exception as error:  # no file can be opened for the import, say
            if is_for_sender(signal, error):
                raise
            report_undeferred(self.name, signal, error)
            return None
        if _sent:
            return dispatch(self, signal, entry, sender, kwargs)
        with (
            unforked()
        ):  # Django and Celery import parts of their own, too, when first asked for them
            _sent.append(True)
            return dispatch(self, signal, entry, sender, kwargs)

    def __repr__(self) -> str:
        return f"<DeferredReceiver {self.name}>"

    @property
    def connections(self) -> list[Connection]:
        """The connections that nobody has disconnected, each to one signal and one sender."""
        return self._connections.present()

    def is_for(self, function: Callable[..., Any]) -> bool:
        """Return whether this is the user's callable, and still alive."""
        present = self._reference()
        return present is not None and identity(present) == identity(function)

    def was_reloaded_as(self, function: Callable[..., Any]) -> bool:
        """Return whether this stems from an earlier load of a module that now declares a successor.

        ``importlib.reload``, and an import after removal from ``sys.modules``, make a new spec;
        code typed at a prompt has none, and defines its functions anew.
        """
        if _spec_of(self.home) is None:
            return self.home == home_of(function) and not self.is_for(function)
        return any(
            module in {home_of(function), declaring_module()} and _spec_of(module) is not spec
            for module, spec in self._specs.items()
        )

    def has_connected(self, connection: Connection) -> bool:
        """Return whether this connection was made, and perhaps undone since."""
        return connection in self._connections

    def connect(self, connection: Connection, entry: Entry, *, weak: bool) -> bool:
        """Connect to a signal and sender; False where Django has such a connection already.

        Arguments:
            connection: the signal and sender, and what ``disconnect`` will know it by.
            entry: what the catalogue says of the signal.
            weak: whether Django may let go of the receiver when nobody else holds it.
        """
        if connected_by(connection) is not None:  # also another receiver's, by its dispatch_uid
            return False
        self._entries[id(connection.signal)] = entry
        self.connect_again(connection, weak=weak)
        if not any(item is connection.signal for item in self.signals):
            self.signals.append(connection.signal)
        self._connections.add(connection)
        return True

    def connect_again(self, connection: Connection, *, weak: bool) -> None:
        """Connect to what `has_connected` knows, after somebody disconnected it."""
        signal, sender, uid = connection
        signal.connect(self, sender=sender, weak=weak, dispatch_uid=uid)

    def take_back(self, connections: Sequence[Connection], signals: list[Signal]) -> None:
        """Undo connections; ``signals`` are those that the receiver listened to before them."""
        for connection in connections:
            self._connections.discard(connection)
        self.signals[:] = signals

    def disconnect(self) -> None:
        """Disconnect from everything."""
        self._connections.clear()

    def forget(self) -> None:
        """Undo the decorator: disconnect from everything, and give up the names and their tasks."""
        self.disconnect()
        registry.discard(self)
        undeclare(self)
        if self._finalizer is not None:
            self._finalizer.detach()

    def hold(self) -> None:
        """Keep the user's callable alive from now on: it was connected with ``weak=False``."""
        function = self.function
        self._reference = lambda: function

    def _hold_weakly(self, function: Callable[..., Any]) -> None:
        # As Django does: the receiver lives as long as the user's object. The registry alone
        # holds this object, so when it lets go, Django sees its own weak reference die.
        self._reference = weakly(function)
        holder = getattr(function, "__self__", function)
        self._finalizer = weakref.finalize(holder, _forget, weakref.ref(self))


#: Whether anything was sent in this process, or in one that it was forked from.
_sent: list[bool] = []

# The way out is imported by the first send, as its last part is by the first commit: a process that
# sends nothing should not pay for it when it starts.


@cache
def _dispatcher() -> Callable[..., Deferred | None]:
    with unforked():
        from deferred_signals.sending.destinations import current_destination  # noqa: PLC0415 - see above
        from deferred_signals.sending.dispatch import dispatch  # noqa: PLC0415 - see above

        current_destination()  # Celery reads its settings when it is first asked for one
    return dispatch


def _forget(reference: weakref.ref[DeferredReceiver]) -> None:
    found = reference()
    if found is not None:
        registry.discard(found)


def _spec_of(module: str) -> object:
    return getattr(sys.modules.get(module), "__spec__", None)
