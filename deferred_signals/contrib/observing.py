"""Begin to count the outbox, in a project that has one: its models need their app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps

from deferred_signals.errors import ConfigurationError
from deferred_signals.support.validators import seconds, validated

if TYPE_CHECKING:
    from datetime import timedelta

    from deferred_signals.contrib.counting import Counting

__all__ = ["EVERY", "counting"]

#: Seconds for which an answer holds, however often it is asked for.
EVERY = 5.0


def counting(every: float | timedelta) -> Counting:
    """Make what counts the outbox.

    Arguments:
        every: for how long an answer holds, in seconds or as a ``timedelta``.

    Raises:
        ConfigurationError: the project has no outbox, or ``every`` is no duration.
    """
    if not apps.is_installed("deferred_signals.outbox"):
        raise ConfigurationError(
            "observe_outbox() was called, and there is no outbox. Add 'deferred_signals.outbox' to "
            "INSTALLED_APPS, or do not call it."
        )
    from deferred_signals.contrib.counting import Counting  # noqa: PLC0415 - see above

    return Counting(validated("observe_outbox(every=)", every, seconds, ConfigurationError))
