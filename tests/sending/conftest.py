"""The fixtures of the tests of what a sender meets."""

import pytest
from pytest_django import Settings


@pytest.fixture
def outside_of_tests(settings: Settings) -> None:
    """Let the library take the process for a site's: Django's test environment has a host of its own."""
    settings.ALLOWED_HOSTS = ["*"]
