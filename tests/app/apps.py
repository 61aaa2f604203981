"""Connects the receivers, as Django's documentation says: in `ready()`."""

import os
from importlib import import_module

from django.apps import AppConfig


class TestsConfig(AppConfig):
    """The app under test."""

    name = "tests.app"
    label = "tests_app"

    def ready(self) -> None:
        """Connect the receivers."""
        import_module("tests.app.receivers")
        # A test's worker may know more receivers, and have other ways, than the other workers.
        for name in filter(None, os.environ.get("TESTS_APP_MODULES", "").split()):
            import_module(name).connect()
