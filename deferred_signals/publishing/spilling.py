"""Spill: give messages that could not be published to a store, which publishes them later.

A message is spilled only if the broker is known not to have it. What may have arrived would run twice,
by our own doing, so it is reported as lost.

A store writes to a database, and no commit waits for that. So what is to be spilled waits for the line's
thread, which gives all of it to the store at once. Where there is no such thread, as at the very end of
a process, the caller does it.
"""

from __future__ import annotations

import logging
import os
from contextvars import copy_context
from threading import RLock
from typing import TYPE_CHECKING

from deferred_signals.publishing.reports import tell
from deferred_signals.publishing.stores import has_store, store
from deferred_signals.support.forks import unforked
from deferred_signals.support.records import about
from deferred_signals.support.telling import is_interruption, log

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.publishing.reports import Unpublished

__all__ = ["drop", "is_waiting", "report", "spill", "spill_last"]

#: Messages, and characters of them, that wait for the store at most. If there are more, the store is
#: slow or hangs, and they are reported as lost.
MOST, MOST_CHARACTERS = 10_000, 32 * 1024 * 1024

#: Seconds that the end of a test waits for what is just being given to the store.
LAST_MOMENT = 5.0


class _Spill:
    """Messages of one flush that are to be given to the store, and told of then, in the send's context."""

    __slots__ = ("_context", "_failures", "_is_told", "pid")

    def __init__(self, failures: Sequence[Unpublished]) -> None:
        #: A child that is forked in C inherits what waits.
        self.pid = os.getpid()
        self._context = copy_context()
        self._failures = failures
        self._is_told = False

    @property
    def batch(self) -> list[Outgoing]:
        """Return the messages."""
        return [failure.outgoing for failure in self._failures]

    def tell(self, lost: Collection[str]) -> None:
        """Tell of the messages, once; those are lost whose ids are given."""
        if not self._is_told:
            self._is_told = True
            self._context.run(self._tell, lost)

    def _tell(self, lost: Collection[str]) -> None:
        is_lost = [failure.outgoing.message.id in lost for failure in self._failures]
        both = [*zip(self._failures, is_lost, strict=True)]
        tell([failure for failure, is_lost in both if not is_lost], is_kept=True)
        tell([failure for failure, is_lost in both if is_lost], is_kept=False)


class _Waiting:
    """What waits for the store.

    Attributes:
        spills: the same, by flushes.
        turn: is held by the thread that gives something to the store.
        in_hand: what it gives.
    """

    def __init__(self) -> None:
        self.spills: list[_Spill] = []
        self._count = self._size = 0
        # A handler of a Unix signal may interrupt the thread that holds a lock, and send.
        self._lock = RLock()
        self.turn = RLock()
        self.in_hand: list[_Spill] = []

    def add(self, spill: _Spill) -> bool:
        """Let messages wait; return False if there is no room."""
        batch = spill.batch
        size = sum(len(outgoing.payload) for outgoing in batch)
        with self._lock:
            is_full = self._count + len(batch) > MOST or self._size + size > MOST_CHARACTERS
            if self.spills and is_full:
                return False
            self.spills.append(spill)
            self._count += len(batch)
            self._size += size
        return True

    def take(self) -> list[_Spill]:
        """Return what waits, and let it wait no longer."""
        with self._lock:
            spills, self.spills = self.spills, []
            self._count = self._size = 0
        return [spill for spill in spills if spill.pid == os.getpid()]


_waiting = _Waiting()


def _begin_anew() -> None:
    global _waiting  # noqa: PLW0603 - a child has nothing of its parent's
    _waiting = _Waiting()


os.register_at_fork(after_in_child=_begin_anew)


def is_waiting() -> bool:
    """Return whether messages wait for the store."""
    return bool(_waiting.spills)


def report(failures: Sequence[Unpublished]) -> None:
    """Tell of messages that are lost; where there is a store, let the others wait for `spill`."""
    others = [failure for failure in failures if failure.is_certain] if has_store() else []
    if others and _waiting.add(_Spill(others)):
        failures = [failure for failure in failures if not failure.is_certain]
    tell(failures, is_kept=False)


def spill() -> bool:
    """Give what waits to the store, and tell of it. Return whether there was anything.

    Never raises for what a store does.
    """
    if not _waiting.spills:
        return False
    with _waiting.turn:
        before, spills = _waiting.in_hand, _waiting.take()
        _waiting.in_hand = [*before, *spills]
        batch = [outgoing for one in spills for outgoing in one.batch]
        lost: Collection[str] = {outgoing.message.id for outgoing in batch}
        try:
            if batch:
                lost = _lost_of(batch)
        finally:
            _waiting.in_hand = before
            for one in spills:
                one.tell(lost)
    return bool(spills)


def spill_last(patience: float) -> None:
    """Do so once more, as the process ends.

    Arguments:
        patience: seconds to wait for a thread that is giving something to the store. If it is not back by
            then, its messages are told to be lost: it ends with the process.
    """
    if not _waiting.turn.acquire(timeout=patience):
        in_hand = [one for one in _waiting.in_hand if one.pid == os.getpid()]
        _tell_lost((*in_hand, *_waiting.take()))
        return
    try:
        spill()
    finally:
        _waiting.turn.release()


def drop(*, is_told: bool) -> None:
    """Give nothing to the store of what waits, since a test has ended.

    Arguments:
        is_told: tell of it, as lost.
    """
    has_turn = _waiting.turn.acquire(timeout=LAST_MOMENT)  # the next test may empty the table
    waiting = _waiting.take()
    if has_turn:
        _waiting.turn.release()
    if is_told:
        _tell_lost(waiting)


def _tell_lost(spills: Iterable[_Spill]) -> None:
    for one in spills:
        one.tell({outgoing.message.id for outgoing in one.batch})


def _lost_of(batch: Sequence[Outgoing]) -> Collection[str]:
    """Give messages to the store; return the ids of those that it does not keep."""
    to, lost = store(), dict[str, Exception]()
    if to is None:
        return [outgoing.message.id for outgoing in batch]
    try:
        with unforked():
            lost.update(to.spill(batch))
    except Exception as error:
        if is_interruption(error):
            raise
        lost = {outgoing.message.id: error for outgoing in batch}
    if lost:
        first = next(iter(lost.values()))
        log(
            logging.ERROR,
            "The outbox could not keep %s messages that were not published (%s: %s)",
            len(lost),
            type(first).__name__,
            first,
            extra=about("not_kept"),
        )
    return lost.keys()
