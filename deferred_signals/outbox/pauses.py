"""How long a relay lets rows wait whose wake-ups could not be published."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from deferred_signals.support.records import about
from deferred_signals.support.telling import log

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from deferred_signals.outbox.taking import Due

__all__ = ["Pauses"]

#: Seconds until what could not be published is tried again, at first and at most.
SET_BACK, MOST_SET_BACK = 5.0, 60.0


class Pauses:
    """How long what could not be published waits: longer each time.

    A receiver whose route refuses is set aside by itself. Where nothing can be published, the relay looks
    no sooner. The log is told once of either.

    Arguments:
        warns: whether the log is told.

    Attributes:
        of_broker: seconds until the next look; 0: the broker takes something.
    """

    def __init__(self, *, warns: bool = True) -> None:
        self.of_broker = 0.0
        self._warns = warns
        self._of_receivers: dict[str, float] = {}

    def note(
        self, tried: Sequence[Due], failed: Mapping[str, BaseException], *, is_away: bool
    ) -> None:
        """Note which wake-ups could be published.

        Arguments:
            tried: the rows.
            failed: ids of those that could not, and why.
            is_away: whether the broker takes nothing at all now.
        """
        if not tried:
            return
        for name in {row.receiver for row in tried if row.id not in failed}:
            self._of_receivers.pop(name, None)
        for name, error in {
            row.receiver: failed[row.id] for row in tried if row.id in failed
        }.items():
            if name not in self._of_receivers and not is_away:
                self._warn(f"of {name} ", error)
            self._of_receivers[name] = _longer(self._of_receivers.get(name, 0.0))
        if is_away and len(failed) == len(tried):
            self.note_away(next(iter(failed.values())))
        else:
            self.of_broker = 0.0

    def note_away(self, error: BaseException) -> None:
        """Note that the broker does not answer."""
        if not self.of_broker:
            self._warn("", error)
        self.of_broker = _longer(self.of_broker)

    def of(self, failed: Iterable[Due]) -> list[tuple[float, list[str]]]:
        """Put the ids of what could not be published together, by how long it waits."""
        found: dict[float, list[str]] = defaultdict(list)
        for row in failed:
            found[max(self.of_broker, self._of_receivers.get(row.receiver, SET_BACK))].append(
                row.id
            )
        return list(found.items())

    def _warn(self, whose: str, error: BaseException) -> None:
        if self._warns:
            log(
                logging.WARNING,
                "Wake-ups of durable messages %scannot be published (%s: %s). The relay tries again, "
                "after up to a minute each time",
                whose,
                type(error).__name__,
                error,
                extra=about("wake_ups_delayed"),
            )


def _longer(pause: float) -> float:
    return min(max(SET_BACK, pause * 2), MOST_SET_BACK)
