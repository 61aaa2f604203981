"""Tell wake-ups that were lost from those that wait in a queue.

No broker says whether it has a certain message. So there are three rules. A wake-up is lost if its queue
is empty, or if a worker has received a wake-up by the same route that was made a lease later. Where neither
can be told, it is taken for lost after an hour.
"""

from __future__ import annotations

from collections import defaultdict
from math import log2
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.outbox.taking import Overdue
    from deferred_signals.worker.rows import Received

__all__ = ["LOST_AFTER", "MOST_PATIENCE", "by_patience", "is_lost"]

#: Seconds that a lost wake-up is looked for again, at most; and after which one is taken for lost where
#: nothing else can be told.
MOST_PATIENCE, LOST_AFTER = 24 * 3600.0, 3600.0


def is_lost(
    item: Overdue,
    is_ready: bool | None,  # noqa: FBT001 - an answer
    received: Received | None,
    lease: float,
) -> bool:
    """Tell whether a wake-up was lost.

    Arguments:
        item: its row.
        is_ready: whether messages wait in its queue; None: nobody knows.
        received: what this worker has received by the wake-up's route.
        lease: seconds by which another wake-up must have been made later to have overtaken this one:
            what is published at one time may arrive in any order.
    """
    if is_ready is False:
        return True
    woken_at = item.row.at - item.since
    if received is not None and received.newest >= woken_at + lease:
        return True
    # Who has received nothing by a route for long, cannot tell what overtakes what there.
    if received is None or received.ago >= LOST_AFTER:
        return item.since >= LOST_AFTER
    return False


def by_patience(overdue: Sequence[Overdue], lease: float) -> list[tuple[float, list[str]]]:
    """Put rows together for which the next wake-up is waited for equally long: twice as long as now."""
    found: dict[float, list[str]] = defaultdict(list)
    for row, patience, _since in overdue:
        doubled = lease * 2.0 ** (round(log2(max(patience, lease) / lease)) + 1)
        found[min(doubled, MOST_PATIENCE)].append(row.id)
    return list(found.items())
