"""A project's own module that makes a parked message wait less until its first look, for tests."""

from deferred_signals.worker import parking


def connect() -> None:
    """Shorten the first wait in this process; the second leaves a busy machine time to do something."""
    parking.WAITS = (0.3, 5.0)  # type: ignore[assignment]  # of another length
