"""Work that a fork must not cut in two.

A child of a fork has one thread, and inherits the locks of all: what another thread held at that
moment, nobody will release. A thread that imports holds locks of Python's, and one that publishes
holds locks of Celery's and kombu's. A child that needs one of them would wait without end. So a fork
waits until no other thread is in the midst of such work.

There is no lock in here, since a handler of a Unix signal may interrupt whoever holds one, and send.
Threads write down what they do before they look at what others do, and a set does that in one step.
"""

from __future__ import annotations

import os
import threading
import time

__all__ = ["unforked"]

#: Seconds that a fork waits at most: the thread that forks may itself hold what the others wait for.
PATIENCE = 10.0

#: Seconds that other threads wait at most for a fork that is about to be made.
COURTESY = 0.5

#: Seconds between two looks.
PAUSE = 0.001

#: Threads that are inside of `unforked`, and those that are about to fork.
_inside: set[int] = set()
_forking: set[int] = set()


class _Here(threading.local):
    """What a thread is doing.

    Attributes:
        depth: blocks of `unforked` that it is in.
    """

    depth: int = 0


_here = _Here()


class unforked:  # noqa: N801 - used like a function, as `contextlib.suppress` is
    """While a thread is in the block, no other thread forks the process."""

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
