"""`Receiver`: what the library knows of one deferred receiver."""

from __future__ import annotations

import inspect
import sys
import weakref
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from deferred_signals.receivers.connections import Connections, connected_by
from deferred_signals.receivers.naming import (
    declaring_module,
    home_of,
    identity,
    parameters_of,
    place_of,
    weakly,
)
from deferred_signals.serialization import codec_for
from deferred_signals.support.cached import cached_property

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.dispatch import Signal

    from deferred_signals.receivers.catalogue import Entry
    from deferred_signals.receivers.connections import Connection
    from deferred_signals.receivers.options import Options
    from deferred_signals.serialization import Codec

__all__ = ["Receiver"]


class Receiver(ABC):
    """One deferred receiver: the user's callable, its name, its options and its connections.

    The receiver itself is what is connected to the signals, in place of the user's callable. It
    mirrors what other code reads of a receiver: ``__module__``, ``__name__``, ``__qualname__``,
    ``__doc__`` and ``__wrapped__``. There is one for each name.

    What happens when the receiver is called, and what workers need for it, is the business of
    rooms above this one: a subclass says so by `__call__`, `declare` and `forget`.

    Arguments:
        function: the user's callable.
        name: the receiver's name, under which workers find it.
        options: its options.
        weak: whether the receiver lives only as long as the callable, as Django's own do.

    Attributes:
        signals: those that the receiver listens to. Their order is the same in each process.
        place: file and line of the callable, for messages.
        home: the module that declares the callable.
        parameters: the names in the callable's signature.
    """

    def __init__(
        self, function: Callable[..., Any], name: str, options: Options, *, weak: bool
    ) -> None:
        self.name = name
        self.options = options
        self.signals: list[Signal] = []
        self.place = place_of(function)
        self.home = home_of(function)
        self.parameters = parameters_of(function)
        self._specs = {module: _spec_of(module) for module in (self.home, declaring_module())}
        self._connections = Connections(self)
        self._entries: dict[int, Entry] = {}
        # Nothing else may hold a callable object, like a partial; functions and methods live
        # where they are defined.
        self._is_weak = weak and (inspect.isfunction(function) or inspect.ismethod(function))
        self._reference: Callable[[], Callable[..., Any] | None] = (
            weakly(function) if self._is_weak else lambda: function
        )
        named = function if hasattr(function, "__qualname__") else type(function)
        self.__module__ = named.__module__
        self.__name__ = named.__name__
        self.__qualname__ = named.__qualname__
        self.__doc__ = function.__doc__

    @abstractmethod
    def __call__(self, *, signal: Signal, sender: Any, **kwargs: Any) -> object:
        """Defer one call; Django calls this from ``send()``."""

    @abstractmethod
    def declare(self) -> None:
        """Make workers know the receiver."""

    @abstractmethod
    def forget(self) -> None:
        """Undo everything that made the receiver known: connections, names and `declare`."""

    @property
    def function(self) -> Callable[..., Any]:
        """Return the user's callable.

        Raises:
            ReferenceError: it was connected weakly, and is gone.
        """
        function = self._reference()
        if function is None:
            raise ReferenceError(f"The receiver {self.name!r} is gone: it was connected weakly.")
        return function

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        return self.function

    @cached_property
    def codec(self) -> Codec:
        """Make what encodes and decodes the receiver's kwargs.

        That is done when the codec is first asked for, as modules are complete only then.
        """
        options = self.options
        return codec_for(
            self.function,
            options.schema,
            snapshot=options.snapshot is True,
            exclude_fields=options.exclude_fields,
            carry=options.carry,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def is_for(self, function: Callable[..., Any]) -> bool:
        """Return whether a callable is the user's, and still alive."""
        present = self._reference()
        return present is not None and identity(present) == identity(function)

    def was_reloaded_as(self, function: Callable[..., Any]) -> bool:
        """Return whether a callable was declared by a later load of this receiver's module.

        ``importlib.reload``, and an import after removal from ``sys.modules``, make a new spec.
        Code that is typed at a prompt has none, and defines its functions anew.
        """
        if _spec_of(self.home) is None:
            return self.home == home_of(function) and not self.is_for(function)
        return any(
            module in {home_of(function), declaring_module()} and _spec_of(module) is not spec
            for module, spec in self._specs.items()
        )

    def hold(self) -> None:
        """Keep the user's callable alive from now on: it was connected with ``weak=False``."""
        function = self.function
        self._reference = lambda: function

    def when_gone(self, act: Callable[[Receiver], None]) -> None:
        """Have ``act`` called with this receiver when the user's callable has died.

        As Django does: the receiver lives as long as the user's object. Whoever asks is to let go
        of this receiver then, so that Django sees its own weak reference die.
        """
        if self._is_weak:
            holder = getattr(self.function, "__self__", self.function)
            weakref.finalize(holder, _tell_gone, weakref.ref(self), act)

    @property
    def connections(self) -> list[Connection]:
        """List the connections that nobody has disconnected, each to one signal and one sender."""
        return self._connections.present()

    def has_connected(self, connection: Connection) -> bool:
        """Return whether this connection was made, and perhaps undone since."""
        return connection in self._connections

    def connect(self, connection: Connection, entry: Entry, *, weak: bool) -> bool:
        """Connect to a signal and sender; return False where Django has such a connection already.

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


def _tell_gone(reference: weakref.ref[Receiver], act: Callable[[Receiver], None]) -> None:
    found = reference()
    if found is not None:
        act(found)


def _spec_of(module: str) -> object:
    return getattr(sys.modules.get(module), "__spec__", None)
