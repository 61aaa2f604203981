"""The Django app: every project adds ``"deferred_signals"`` to ``INSTALLED_APPS``."""

from __future__ import annotations

from django.apps import AppConfig


class DeferredSignalsConfig(AppConfig):
    """Registers the system checks, and makes workers keep messages for receivers they do not know."""

    name = "deferred_signals"
    verbose_name = "Deferred signals"

    def ready(self) -> None:
        """Make ``manage.py check`` know the library, and a worker the task of parked messages."""
        # Both are registered by importing them.
        from deferred_signals import checks, decorator  # noqa: F401, PLC0415
