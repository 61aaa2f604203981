"""The Django app: every project adds ``"deferred_signals"`` to ``INSTALLED_APPS``."""

from __future__ import annotations

from django.apps import AppConfig


class DeferredSignalsConfig(AppConfig):
    """The app that registers the system checks, and makes workers keep messages of unknown receivers."""

    name = "deferred_signals"
    verbose_name = "Deferred signals"

    def ready(self) -> None:
        """Make ``manage.py check`` know the system checks, and workers the task of parked messages."""
        # The imports register them.
        from deferred_signals import checks, decorator  # noqa: F401, PLC0415
