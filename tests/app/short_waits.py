"""A project's own module that makes parked messages wait less, for tests."""

from deferred_signals.worker import parking


def connect() -> None:
    """Shorten the waits in this process."""
    parking.WAITS = (0.3,)  # type: ignore[assignment]  # of another length
