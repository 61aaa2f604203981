"""What a worker does by itself: tests of what it gives to the outbox are in `tests/outbox`."""

import pytest


@pytest.fixture(autouse=True)
def _no_rows(no_rows: None) -> None:
    """Have no outbox on the worker."""
