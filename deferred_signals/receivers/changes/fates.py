"""Whether what was written in a transaction stays: asked afterwards, known once the blocks end.

A hook on ``on_commit`` tells. Django runs it at the commit, and drops it at a rollback: of the
transaction, or of a savepoint that was open when it was registered. A hook that is gone and never
ran was therefore rolled back.

Inside a ``TestCase`` nothing commits, and a hook would be counted by
``captureOnCommitCallbacks()``. There an execute wrapper sees the savepoints of the code under test
end, and the test's own blocks do not count.
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

#: Hooks that are looked at for one to share: ours stands before those of the sends that follow it.
_LAST_HOOKS = 8


class Fate:
    """What becomes of everything that is written under the same savepoints of one transaction."""

    __slots__ = ("_hook", "_is_kept")

    def __init__(self) -> None:
        self._is_kept: bool | None = None
        self._hook: weakref.ref[_Hook] | None = None

    @property
    def is_committed(self) -> bool:
        """Whether the writes are the row's for good."""
        return self._is_kept is True

    @property
    def is_rolled_back(self) -> bool:
        """Whether the writes were taken back."""
        if self._is_kept is None and self._hook is not None:
            return self._hook() is None
        return self._is_kept is False

    def decide(self, *, is_kept: bool) -> None:
        """Note how it ended; what was decided stays."""
        if self._is_kept is None:
            self._is_kept = is_kept

    def follow(self, hook: _Hook) -> None:
        """Watch a hook, without keeping it alive."""
        self._hook = weakref.ref(hook)


class _Hook:
    """Runs at the commit; only Django's list of hooks may hold it."""

    def __init__(self, fate: Fate) -> None:
        # Django logs the name of a robust hook that fails, and instances have none.
        self.__qualname__ = type(self).__qualname__
        self.fate = fate

    def __call__(self) -> None:
        self.fate.decide(is_kept=True)


def fate_of_writes(using: str) -> Fate | None:
    """The fate of what was just written to a database; None where it is the row's at once.

    It is the row's at once in autocommit, between the blocks of a ``TestCase``, and where the
    transaction cannot be followed.
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
    """The fate that a hook tells of: one that is there under the same savepoints, or a new one."""
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
    """The fate that savepoints of the code under test tell of, where any are open."""
    savepoints = open_savepoints(connection, test_blocks)
    if not savepoints:
        return None
    return _Watch.on(connection, savepoints).fates.setdefault(frozenset(savepoints), Fate())


class _Watch(SavepointWatch):
    """Decides what became of the writes under some savepoints."""

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
