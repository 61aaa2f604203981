"""Ids of messages and of Celery tasks: UUIDs in the order of time, of the layout called UUIDv7.

Ids that follow one another lie side by side in the index of a table.
"""

from __future__ import annotations

import os
from time import time_ns

__all__ = ["new_id"]

#: Random bytes that were drawn in advance: asking the kernel for each id takes most of the time.
_drawn: list[bytes] = []

#: How many are drawn at once, and the bytes for one id.
_AT_ONCE, _BYTES = 64, 8

#: The process that drew them. A forked child must not use what its parent drew.
_drawn_by = os.getpid()

#: The time of the last id, in units of which a millisecond has `_PER_MS`.
_last = 0
_PER_MS = 1 << 12


def new_id() -> str:
    """Make an id that is greater, as a text, than all that this thread has made before.

    >>> first, second = new_id(), new_id()
    >>> first < second
    True
    """
    global _drawn_by, _last  # noqa: PLW0603 - one clock, and one stock, a process
    if _drawn_by != (process := os.getpid()):
        _drawn.clear()
        _drawn_by = process
    try:
        chance = _drawn.pop()
    except IndexError:
        drawn = os.urandom(_AT_ONCE * _BYTES)
        chance, *others = (drawn[at : at + _BYTES] for at in range(0, len(drawn), _BYTES))
        _drawn.extend(others)
    # Ids of two threads may be of one moment. Then chance tells them apart.
    _last = now = max(time_ns() * _PER_MS // 1_000_000, _last + 1)
    time, rest = f"{now:015x}", chance.hex()
    variant = "89ab"[chance[0] % 4]
    return f"{time[:8]}-{time[8:12]}-7{time[12:]}-{variant}{rest[1:4]}-{rest[4:]}"


# Two ways to notice a fork: the pid may be the same in another pid namespace, and the hook is not
# called where a server forks in C, as uWSGI does.
os.register_at_fork(after_in_child=_drawn.clear)
