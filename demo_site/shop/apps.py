"""The shop as a Django app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Connect the receivers."""

    name = "demo_site.shop"

    def ready(self) -> None:
        """Import the receivers, which connects them: in the site and in the worker alike."""
        from demo_site.shop import receivers  # noqa: F401, PLC0415  # models are there only now
