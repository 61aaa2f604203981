"""Work during which no other thread may fork the process.

A forked child has one thread, and inherits the locks that all threads held: nothing in the child
releases them. A thread that imports holds Python's import locks, and one that publishes holds locks of
Celery and kombu. A child that needs such a lock would wait for ever. So a fork waits until no other
thread is doing such work.

This module uses no lock itself, since a handler of a Unix signal may interrupt the thread that holds
it, and send. Instead each thread notes what it does before it looks at what the others do; adding to
a set is one step.
"""

from __future__ import annotations

import os
import threading
import time

__all__ = ["unforked"]

#: Seconds that a fork waits at most. The thread that forks may hold a lock that the others wait for.
PATIENCE = 10.0

#: Seconds that other threads wait at most for a fork that is about to be made.
COURTESY = 0.5

#: Seconds between two looks.
PAUSE = 0.001

#: Threads that are inside `unforked`, and threads that are about to fork.
_inside: set[int] = set()
_forking: set[int] = set()


class _Here(threading.local):
    """What the current thread is doing.

    Attributes:
        depth: how many blocks of `unforked` it is in.
    """

    depth: int = 0


_here = _Here()


class unforked:  # noqa: N801 - used like a function, as `contextlib.suppress` is
    """Keep other threads from forking the process during the block."""

    __slots__ = ()

    def __enter__(self) -> None:
        _here.depth += 1
        if _here.depth == 1:
            me = threading.get_ident()
            _inside.add(me)
            if _forking:
                _let_fork(me)

    def __exit__(self, *error: object) -> None:
        if _here.depth == 1:
            _inside.discard(threading.get_ident())
        _here.depth -= 1


def _let_fork(me: int) -> None:
    deadline = time.monotonic() + COURTESY
    while _forking - {me} and time.monotonic() < deadline:
        _inside.discard(me)
        time.sleep(PAUSE)
        _inside.add(me)


def _wait() -> None:
    me, deadline = threading.get_ident(), time.monotonic() + PATIENCE
    _forking.add(me)
    while _inside - {me} and time.monotonic() < deadline:
        time.sleep(PAUSE)


def _go_on() -> None:
    _forking.discard(threading.get_ident())


def _begin_anew() -> None:
    _forking.clear()
    _inside.intersection_update({threading.get_ident()})


os.register_at_fork(before=_wait, after_in_parent=_go_on, after_in_child=_begin_anew)
