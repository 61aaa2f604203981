"""How long a relay lets rows wait whose wake-ups could not be published."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from deferred_signals.outbox.taking import Due

__all__ = ["Pauses"]

#: Seconds until what could not be published is tried again, at first and at most.
SET_BACK, MOST_SET_BACK = 5.0, 60.0


class Pauses:
    """How long what could not be published waits: longer each time.

    A receiver whose route refuses is set aside by itself. Where nothing can be published, the relay looks
    no sooner.

    Attributes:
        of_broker: seconds until the next look; 0: the broker takes something.
    """

    def __init__(self) -> None:
        self.of_broker = 0.0
        self._of_receivers: dict[str, float] = {}
        #: Receivers that were refused while the broker took others: they say nothing of the broker.
        self._apart: set[str] = set()

    def note(self, tried: Sequence[Due], failed: Collection[str]) -> None:
        """Note which wake-ups could be published."""
        refused = {row.receiver for row in tried if row.id in failed}
        for name in refused:
            self._of_receivers[name] = _longer(self._of_receivers.get(name, 0.0))
        taken = {row.receiver for row in tried if row.id not in failed}
        for name in taken - refused:
            self._of_receivers.pop(name, None)
        if taken:
            self._apart = (self._apart | refused) - taken
        if tried:
            is_broker = not taken and not refused <= self._apart
            self.of_broker = _longer(self.of_broker) if is_broker else 0.0

    def of(self, failed: Iterable[Due]) -> list[tuple[float, list[str]]]:
        """Put the ids of what could not be published together, by how long it waits."""
        found: dict[float, list[str]] = defaultdict(list)
        for row in failed:
            found[self._of_receivers.get(row.receiver, SET_BACK)].append(row.id)
        return list(found.items())


def _longer(pause: float) -> float:
    return min(max(SET_BACK, pause * 2), MOST_SET_BACK)
