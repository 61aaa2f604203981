"""The outbox's own connections: claims and their ends are committed by themselves, and cheaply.

Celery closes Django's connections around every task, and a receiver may have a transaction open on one,
or none at all. So each process has one connection more to each database of the outbox, for all of its
threads. It is made from the alias' settings, but in autocommit, and without a pool, whose sockets
children would share.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, nullcontext, suppress
from copy import deepcopy
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from django.db import connections

from deferred_signals import conf
from deferred_signals.support.forks import unforked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["Lender", "OneUse", "Store"]

#: Seconds after which a connection is asked whether it works, before it is used again.
IDLE = 5.0

#: Seconds that a fork waits for a statement of another thread's, on SQLite.
FORK_PATIENCE = 5.0

#: Connections of the process that this one was forked from. They are kept: if they were collected,
#: their drivers would close a session that the parent still uses.
_inherited: list[BaseDatabaseWrapper] = []


class Lender(Protocol):
    """What lends connections to the outbox's databases."""

    def connection(self, alias: str) -> AbstractContextManager[BaseDatabaseWrapper]:
        """Lend the connection to a database, in autocommit."""

    def close(self) -> None:
        """Close what this process has open."""


class Store:
    """Connections to the outbox's databases, each for one thread at a time."""

    def __init__(self) -> None:
        self._own: dict[tuple[int, str], BaseDatabaseWrapper] = {}
        self._used: dict[tuple[int, str], float] = {}
        self._lock = threading.RLock()
        #: The thread that forks now, and holds the lock for that.
        self._forks: int | None = None
        os.register_at_fork(
            before=self._prepare_fork,
            after_in_parent=self._go_on,
            after_in_child=self._leave_to_parent,
        )

    @contextmanager
    def connection(self, alias: str) -> Iterator[BaseDatabaseWrapper]:
        """Lend the connection to a database, in autocommit; after any error the next one is new.

        Raises:
            django.db.Error: the database does not answer.
        """
        key = os.getpid(), alias
        with self._lock:
            connection = self._own.get(key)
            if connection is None:
                connection = self._own[key] = _made(alias)
            elif monotonic() - self._used.get(key, 0.0) > IDLE and not _works(connection):
                self._forget(key)
                connection = self._own[key] = _made(alias)
            try:
                yield _connected(connection)
            except BaseException:
                self._forget(key)
                raise
            self._used[key] = monotonic()

    def close(self) -> None:
        """Close what this process has open."""
        with self._lock:
            for key in [key for key in self._own if key[0] == os.getpid()]:
                self._forget(key)

    def _forget(self, key: tuple[int, str]) -> None:
        """Close a connection, broken or not, so that the next one is new."""
        connection = self._own.pop(key, None)
        if connection is not None:
            with suppress(Exception):  # a broken one may refuse, and is not used again
                connection.close()

    def _prepare_fork(self) -> None:
        """Have nothing open on SQLite while this process forks.

        SQLite notes in the process what it has locked. A child that was forked during a statement would
        wait for ever for a lock that nobody has.
        """
        if not self._on_sqlite() or not self._lock.acquire(timeout=FORK_PATIENCE):
            return
        self._forks = threading.get_ident()
        for key in self._on_sqlite():
            self._forget(key)

    def _on_sqlite(self) -> list[tuple[int, str]]:
        return [key for key, found in [*self._own.items()] if found.vendor == "sqlite"]

    def _go_on(self) -> None:
        if self._forks == threading.get_ident():
            self._forks = None
            self._lock.release()

    def _leave_to_parent(self) -> None:
        _inherited.extend(self._own.values())
        self._own, self._used, self._lock, self._forks = {}, {}, threading.RLock(), None


class OneUse:
    """Connections that are opened for one use: a process that only sends keeps none to the outbox."""

    @contextmanager
    def connection(self, alias: str) -> Iterator[BaseDatabaseWrapper]:
        """Lend a new connection to a database, in autocommit; it is closed at the end of the block.

        To connect takes no longer than ``CONNECT_TIMEOUT``, unless the database's own settings say more.

        Raises:
            django.db.Error: the database does not answer.
        """
        connection = _made(alias)
        if connection.vendor in {"postgresql", "mysql"}:
            patience = max(1, ceil(conf.current().CONNECT_TIMEOUT))
            connection.settings_dict.setdefault("OPTIONS", {}).setdefault(
                "connect_timeout", patience
            )
        # A fork waits for all of it on SQLite, as it does for a `Store`.
        with unforked() if connection.vendor == "sqlite" else nullcontext():
            try:
                yield _connected(connection)
            finally:
                with suppress(Exception):  # it may be broken
                    connection.close()

    def close(self) -> None:
        """Do nothing: no connection stays open."""


def _made(alias: str) -> BaseDatabaseWrapper:
    known = connections[alias]
    settings = deepcopy(known.settings_dict)
    settings["AUTOCOMMIT"] = True
    for name in ("pool", "isolation_level"):  # no statement here needs more than READ COMMITTED
        settings.get("OPTIONS", {}).pop(name, None)
    connection = type(known)(settings, alias)
    connection.inc_thread_sharing()
    return connection


def _connected(connection: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    """Connect, and have no other thread fork meanwhile.

    Drivers connect by OpenSSL, which has locks. A child that was forked while one was held would wait for it
    for ever, once it connects itself.
    """
    if connection.connection is None:
        with unforked():
            connection.ensure_connection()
    return connection


def _works(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the server answers. Some drivers connect anew when they are asked."""
    if connection.connection is None:
        return False
    with unforked():
        return bool(connection.is_usable())
