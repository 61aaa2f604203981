"""`plugged`: the app plugged in as in a project, for tests of what commit delivery gives to the table."""

from collections.abc import Iterator

import pytest

from deferred_signals.outbox.worker import OutboxRows
from deferred_signals.worker.rows import Rows, keep_rows_in, rows


@pytest.fixture
def plugged(store: None) -> Iterator[Rows]:
    """Let the table have what cannot be published, long waits and dead letters; give the worker's part."""
    before = keep_rows_in(OutboxRows)
    made = rows()
    yield made
    made.end()
    keep_rows_in(before)
