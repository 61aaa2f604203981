"""The breaker: whether the broker is asked, or known to be away.

(The circuit breaker of Michael Nygard's "Release It!".)
"""

from __future__ import annotations

from time import monotonic

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError

__all__ = ["Breaker", "cooldown"]


class Breaker:
    """Closed while the broker answers; open from a failure until somebody has reached the broker again.

    Attributes:
        cause: why the breaker is open; None while it is closed.
    """

    def __init__(self) -> None:
        self.cause: Exception | None = None
        self._probe_at = 0.0

    def open(self, cause: Exception) -> None:
        """Let nobody ask the broker, but those who probe it."""
        self.cause = cause

    def close(self) -> None:
        """Let everybody ask the broker again."""
        self.cause = None

    def probe_in(self, seconds: float) -> None:
        """Put the next probe off."""
        self._probe_at = monotonic() + seconds

    def rest(self) -> float:
        """Return the seconds until the broker is to be probed; 0 if it is time."""
        return max(0.0, self._probe_at - monotonic())


def cooldown() -> float:
    """Return the seconds between two probes of a broker that failed.

    The setting may be wrong, for the length of a test say. That must not end the line's thread.
    """
    try:
        return conf.current().BREAKER_COOLDOWN
    except ConfigurationError:
        return conf.Settings().BREAKER_COOLDOWN
