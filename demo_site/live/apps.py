"""The page as a Django app."""

from django.apps import AppConfig


class LiveConfig(AppConfig):
    """Connect what writes the timeline, and what counts."""

    name = "demo_site.live"

    def ready(self) -> None:
        """Import the handlers, which connects them: in the site and in the worker alike."""
        from demo_site.live import killing, lifecycle, metrics  # noqa: F401, PLC0415  # models are there now

        metrics.count()
