"""What Celery's control flow means when a receiver raises it.

This is all that a run knows of Celery, and the exceptions are documented ones.
"""

from __future__ import annotations

from celery.exceptions import Ignore, Reject, Retry

from deferred_signals.errors import Discard, InvalidReceiver

__all__ = ["translated"]


def translated(error: Exception) -> Exception:
    """Translate an exception of Celery's control flow into one of ours; return any other as it is.

    ``Ignore`` discards the message. ``Retry`` and ``Reject`` fail it with a hint, since Celery would
    count attempts beside ours.

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
