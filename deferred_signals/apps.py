"""The Django app: add ``"deferred_signals"`` to ``INSTALLED_APPS`` to have its system checks."""

from __future__ import annotations

from django.apps import AppConfig


class DeferredSignalsConfig(AppConfig):
    """Registers the system checks; receivers work without it."""

    name = "deferred_signals"
    verbose_name = "Deferred signals"

    def ready(self) -> None:
        """Make ``manage.py check`` know the library, and a worker the task of parked messages."""
        # Both are registered by importing them.
        from deferred_signals import checks, receivers  # noqa: F401, PLC0415
