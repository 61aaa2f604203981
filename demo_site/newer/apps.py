"""The newer release as a Django app."""

from django.apps import AppConfig


class NewerConfig(AppConfig):
    """Connect its receivers."""

    name = "demo_site.newer"

    def ready(self) -> None:
        """Import the receivers, which connects them."""
        from demo_site.newer import receivers  # noqa: F401, PLC0415  # models are there only now
