"""Commit delivery as where the outbox's app is not installed, though the tests' project has it."""

from collections.abc import Iterator

import pytest

from deferred_signals.publishing.stores import Store, spill_to
from deferred_signals.worker.rows import keep_rows_in


@pytest.fixture(autouse=True)
def no_store() -> Iterator[Store | None]:
    """Spill nothing: what cannot be published is lost, and told of by the thread that sent it.

    Gives the store of the outbox's app.
    """
    before = spill_to(None)
    yield before
    spill_to(before)


@pytest.fixture
def store(no_store: Store) -> Iterator[None]:
    """Spill what this process cannot publish, as where the app is installed."""
    spill_to(no_store)
    yield
    spill_to(None)


@pytest.fixture
def no_rows() -> Iterator[None]:
    """Let long waits be served by the broker, and leave no dead letters."""
    before = keep_rows_in(None)
    yield
    keep_rows_in(before)
