"""What Celery's control flow means when a receiver raises it: all that a run knows of Celery."""

from __future__ import annotations

from celery.exceptions import Ignore, Reject, Retry

from deferred_signals.errors import Discard, InvalidReceiver

__all__ = ["translated"]


def translated(error: Exception) -> Exception:
    """Translate an exception of Celery's control flow into one of ours; give any other back.

    ``Ignore`` discards the message. ``Retry`` and ``Reject`` would count attempts beside ours, so
    they fail with a hint.

    >>> translated(Ignore())
    Discard("Celery's Ignore was raised")
    """
    if isinstance(error, Ignore):
        return Discard("Celery's Ignore was raised")
    if isinstance(error, (Retry, Reject)):
        name = type(error).__name__
        instead = "RetryLater" if isinstance(error, Retry) else "Discard"
        return InvalidReceiver(
            f"The receiver raised Celery's {name}, which would count attempts beside ours: "
            f"raise deferred_signals.{instead} instead."
        )
    return error
