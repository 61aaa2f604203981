"""Fixtures that set keys of `DEFERRED_SIGNALS` for one test."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings


@pytest.fixture
def configure(settings: Settings) -> Callable[..., None]:
    """Set keys of `DEFERRED_SIGNALS`, and keep the others."""

    def configure(**values: Any) -> None:
        present = getattr(settings, "DEFERRED_SIGNALS", None) or {}
        settings.DEFERRED_SIGNALS = {**present, **values}

    return configure


@pytest.fixture
def eager(configure: Callable[..., None]) -> None:
    """Run receivers in this process at the commit: the setting `EAGER`."""
    configure(EAGER=True)


@pytest.fixture
def outside_of_tests(settings: Settings) -> None:
    """Let the library take the process for a site's: Django's test environment has a host of its own."""
    settings.ALLOWED_HOSTS = ["*"]
