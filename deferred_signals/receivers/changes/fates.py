"""Tell whether what was written in a transaction was committed; that is known once its blocks end.

A hook on ``on_commit`` tells. Django runs the hook at the commit, and drops it when the transaction
is rolled back, or a savepoint that was open when the hook was registered. So a hook that is gone
and never ran was rolled back.

Inside a ``TestCase`` nothing commits, and ``captureOnCommitCallbacks()`` would count the hook. There
an execute wrapper watches the savepoints of the code under test; the test's own blocks do not count.
"""

from __future__ import annotations

import weakref
from itertools import takewhile
from typing import TYPE_CHECKING

from django.db import connections, transaction

from deferred_signals.support.savepoints import SavepointWatch, is_of_a_test, open_savepoints

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["Fate", "fate_of_writes"]

#: How many of the latest hooks may hold one of ours to share: sends that follow add theirs.
_LAST_HOOKS = 8


class Fate:
    """The fate of all that is written under the same savepoints of one transaction."""

    __slots__ = ("_hook", "_is_kept")

    def __init__(self) -> None:
        self._is_kept: bool | None = None
        self._hook: weakref.ref[_Hook] | None = None

    @property
    def is_committed(self) -> bool:
        """Tell whether the writes were committed."""
        return self._is_kept is True

    @property
    def is_rolled_back(self) -> bool:
        """Tell whether the writes were rolled back."""
        if self._is_kept is None and self._hook is not None:
            return self._hook() is None
        return self._is_kept is False

    def decide(self, *, is_kept: bool) -> None:
        """Note how the transaction ended; a fate is decided once."""
        if self._is_kept is None:
            self._is_kept = is_kept

    def follow(self, hook: _Hook) -> None:
        """Watch a hook without keeping the hook alive."""
        self._hook = weakref.ref(hook)


class _Hook:
    """A hook that runs at the commit; only Django's list of hooks may hold it."""

    def __init__(self, fate: Fate) -> None:
        # Django logs the name of a robust hook that fails, and instances have none.
        self.__qualname__ = type(self).__qualname__
        self.fate = fate

    def __call__(self) -> None:
        self.fate.decide(is_kept=True)


def fate_of_writes(using: str) -> Fate | None:
    """Return the fate of what was just written to a database; None where the writes hold at once.

    They hold at once in autocommit and between the blocks of a ``TestCase``. They are taken for
    such where the transaction cannot be followed.
    """
    try:
        connection = connections[using]
        if not connection.in_atomic_block:
            return None
        test_blocks = [*takewhile(is_of_a_test, connection.atomic_blocks)]
        if test_blocks:
            return _watched(connection, len(test_blocks))
        return _hooked(connection)
    except Exception:  # noqa: BLE001 - a patched on_commit(), say: the save must not fail for it
        return None


def _hooked(connection: BaseDatabaseWrapper) -> Fate:
    """Return the fate of the hook that is there under the same savepoints, or of a new hook."""
    now = set(connection.savepoint_ids)
    for savepoints, hook, *_ in reversed(connection.run_on_commit[-_LAST_HOOKS:]):
        if isinstance(hook, _Hook) and savepoints == now:
            return hook.fate
    fate = Fate()
    new = _Hook(fate)
    fate.follow(new)
    transaction.on_commit(new, using=connection.alias, robust=True)
    return fate


def _watched(connection: BaseDatabaseWrapper, test_blocks: int) -> Fate | None:
    """Return the fate that open savepoints of the code under test decide; None where none is open."""
    savepoints = open_savepoints(connection, test_blocks)
    if not savepoints:
        return None
    return _Watch.on(connection, savepoints).fates.setdefault(frozenset(savepoints), Fate())


class _Watch(SavepointWatch):
    """A watch that decides the fates of the writes under some savepoints."""

    def __init__(self, connection: BaseDatabaseWrapper, outermost: str) -> None:
        super().__init__(connection, outermost)
        self.fates: dict[frozenset[str], Fate] = {}

    def rolled_back(self, savepoint: str) -> None:
        for savepoints, fate in self.fates.items():
            if savepoint in savepoints:
                fate.decide(is_kept=False)

    def released(self) -> None:
        for fate in self.fates.values():
            fate.decide(is_kept=True)
