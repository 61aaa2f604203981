"""Databases that a test adds to those of the settings."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections

from tests.project.databases import database_settings


@pytest.fixture
def add_database() -> Iterator[Callable[..., None]]:
    """Add an alias to `DATABASES`, by its URL and further settings; nothing connects to it by itself."""
    added: set[str] = set()
    present: dict[str, dict[str, Any]] = connections.settings

    def add_database(alias: str, url: str, **settings: Any) -> None:
        bare = {**present["other"], "OPTIONS": {}}
        present[alias] = {**bare, **database_settings(url), **settings}
        added.add(alias)

    yield add_database
    for connection in connections.all(initialized_only=True):
        if connection.alias in added:
            connection.close()
            del connections[connection.alias]
    for alias in added:
        del present[alias]


@pytest.fixture
def names(configure: Callable[..., None]) -> Callable[..., None]:
    """Name the databases that carry the table."""
    return lambda *aliases: configure(OUTBOX={"DATABASES": aliases})
