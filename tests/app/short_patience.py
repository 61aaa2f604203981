"""Take a wake-up for lost after six seconds, not after an hour, where nothing else can be told.

This module is one of `TESTS_APP_MODULES`.
"""

from deferred_signals.outbox import lost


def connect() -> None:
    """Shorten the wait in this process."""
    lost.LOST_AFTER = 6.0
