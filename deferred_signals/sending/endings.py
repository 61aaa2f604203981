"""Tell of the ends of ``atomic()`` blocks, for messages that wait for them inside a ``TestCase``.

The end of a block without a savepoint shows in no SQL, and Django's own deletes and many-to-many
changes are such blocks. So ``Atomic.__exit__`` is wrapped, which Django calls private. Only this
module wraps it, while a testing mode is on, or eager mode in Django's test environment. Afterwards
``Atomic.__exit__`` is Django's own again.

``with`` looks up ``__exit__`` when a block begins. So the end of a block that was open before the
wrapping is not seen, and eager mode has to be noticed before the first block begins: the settings
are asked whenever a connection is made or a setting changes.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import Enum
from functools import wraps
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from django.core.signals import setting_changed
from django.db import connections
from django.db.backends.signals import connection_created
from django.db.transaction import Atomic, get_connection
from django.dispatch import receiver

from deferred_signals import conf
from deferred_signals.support.under_test import is_under_test

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["End", "Listener", "is_seen", "listen", "look_for_eager_mode", "seeing_ends"]


class End(Enum):
    """How a block ended."""

    KEPT = "what was done in it stands, as long as the blocks around it do"
    ROLLED_BACK = "what was done in it is undone"
    DOOMED = "it failed, and the block around it will be rolled back for it"


class Listener(Protocol):
    """Waits for the ends of a connection's blocks."""

    def block_ended(self, connection: BaseDatabaseWrapper, depth: int, end: End) -> None:
        """Take note of the end of a block, the ``depth``-th of those that were open."""


def listen(connection: BaseDatabaseWrapper, listener: Listener) -> None:
    """Tell a listener of the ends of a connection's blocks; a connection has one listener."""
    _listeners[connection] = listener


def is_seen(block: Atomic) -> bool:
    """Return whether the end of an open block will be told."""
    return _wrapping.is_on and block not in _wrapping.opened_before


@contextmanager
def seeing_ends() -> Iterator[None]:
    """See the ends of the ``atomic()`` blocks that begin inside this block; for testing modes."""
    _wrapping.change(modes=+1)
    try:
        yield
    finally:
        _wrapping.change(modes=-1)


_listeners: WeakKeyDictionary[BaseDatabaseWrapper, Listener] = WeakKeyDictionary()


class _Wrapping:
    """The wrapping of ``Atomic.__exit__``: on as long as somebody needs it."""

    def __init__(self) -> None:
        self.opened_before: WeakSet[Atomic] = WeakSet()
        self._lock = Lock()
        self._modes = 0
        self._eager = False
        self._original: Any = None
        self._wrapper: Any = None

    @property
    def is_on(self) -> bool:
        return self._original is not None

    def change(self, *, modes: int = 0, eager: bool | None = None) -> None:
        """Note who needs it from now on."""
        with self._lock:
            self._modes += modes
            self._eager = self._eager if eager is None else eager
            needed = self._eager or self._modes > 0
            if needed and not self.is_on:
                self._begin()
            elif self.is_on and not needed:
                self._end()

    def _begin(self) -> None:
        for connection in connections.all(initialized_only=True):
            self.opened_before.update(connection.atomic_blocks)
        self._original = Atomic.__exit__
        self._wrapper = Atomic.__exit__ = _telling(self._original)  # type: ignore[method-assign]

    def _end(self) -> None:
        # Where other code has wrapped it since then, its wrapper must stay.
        if Atomic.__exit__ is self._wrapper:
            Atomic.__exit__ = self._original  # type: ignore[method-assign]
        self._original = self._wrapper = None
        self.opened_before.clear()


_wrapping = _Wrapping()


def _telling(original: Any) -> Any:
    """Wrap ``Atomic.__exit__``, so that listeners are told when it has done its work."""

    @wraps(original)
    def __exit__(  # noqa: N807 - it is that method
        self: Atomic,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        connection = get_connection(self.using)
        listener = _listeners.get(connection)
        if listener is None:
            original(self, kind, error, trace)
            return
        depth, end = len(connection.atomic_blocks), _end_of(connection, kind)
        try:
            original(self, kind, error, trace)
        except BaseException:
            listener.block_ended(connection, depth, End.ROLLED_BACK)
            raise
        listener.block_ended(connection, depth, end)

    return __exit__


def _end_of(connection: BaseDatabaseWrapper, kind: type[BaseException] | None) -> End:
    """Foresee how the innermost block will end, by the same conditions as its ``__exit__``."""
    if connection.closed_in_transaction:
        return End.ROLLED_BACK
    if kind is None and not connection.needs_rollback:
        return End.KEPT
    has_savepoint = not connection.savepoint_ids or connection.savepoint_ids[-1] is not None
    return End.ROLLED_BACK if has_savepoint else End.DOOMED


@receiver([connection_created, setting_changed])
def look_for_eager_mode(**_kwargs: object) -> None:
    """Wrap ``Atomic.__exit__`` while eager mode is on, in Django's test environment alone."""
    _wrapping.change(eager=is_under_test() and _is_eager())


def _is_eager() -> bool:
    # Only now: a process that declares receivers does not have to know Celery's settings for it.
    from deferred_signals.publishing.celery_settings import always_eager  # noqa: PLC0415

    try:
        return conf.current().EAGER or always_eager()
    except Exception:  # noqa: BLE001 - a wrong setting, of Celery's too: whoever sends is told of it
        return False
