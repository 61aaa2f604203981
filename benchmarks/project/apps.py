"""The project as a Django app, so that each of its processes knows the durable receivers, relays too."""

from importlib import import_module

from django.apps import AppConfig, apps

__all__ = ["ProjectConfig"]


class ProjectConfig(AppConfig):
    """Connects the durable receivers, where their app is installed."""

    name = "benchmarks.project"

    def ready(self) -> None:
        """Import the receivers."""
        if apps.is_installed("deferred_signals.outbox"):
            import_module("benchmarks.project.durable")
