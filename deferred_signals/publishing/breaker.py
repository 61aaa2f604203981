"""The breaker: whether commits wait for the broker, or go on at once.

The name is that of the circuit breaker of Michael Nygard's "Release It!".
"""

from __future__ import annotations

from time import monotonic

from deferred_signals import conf
from deferred_signals.conf import Settings
from deferred_signals.errors import ConfigurationError

__all__ = ["Breaker", "settings"]


class Breaker:
    """Closed while the broker does its work; open from a failure until a try succeeds.

    Attributes:
        reason: why it is open; None while it is closed.
        probe_at: when a broker that is away is tried again, by `time.monotonic`.
    """

    def __init__(self) -> None:
        self.reason: Exception | None = None
        self.probe_at = 0.0
        #: Nothing could be written when that was last tried.
        self._has_failed = False

    @property
    def is_due(self) -> bool:
        """Return whether a broker that is away is to be tried now."""
        return monotonic() >= self.probe_at

    def cool_down(self) -> None:
        """Let some time pass before the broker is tried again."""
        self.probe_at = monotonic() + settings().BREAKER_COOLDOWN

    def fails_again(self, *, begun: bool) -> bool:
        """Note that writing failed; return whether nothing could be written, twice in a row.

        Then new connections do not help.

        Arguments:
            begun: something was written before it failed.
        """
        again = self._has_failed and not begun
        self._has_failed = not begun
        return again

    def has_written(self) -> None:
        """Note that a batch could be written."""
        self._has_failed = False


def settings() -> Settings:
    """Return the settings. Wrong ones, as they may be for the length of a test, end no thread."""
    try:
        return conf.current()
    except ConfigurationError:
        return Settings()
